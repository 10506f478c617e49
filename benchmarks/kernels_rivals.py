"""The contenders of bench_kernels: fedgroup, Flower, numpy, torch and (where installed) ByzFL."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg, FedMedian, FedTrimmedAvg
from flwr.supercore.task_identity import TaskIdentity

from strategies.kernels import coordinatewise, geometry
from strategies.rules.sparsefed import SparseFed

Call = Callable[[], Any]
Group = dict[str, Call]


def clients_of(count: int, size: int) -> tuple[Any, list[Any]]:
    generator = np.random.default_rng(0)
    theta = generator.standard_normal(size, np.float32) * np.float32(0.02)
    return theta, [
        theta + generator.standard_normal(size, np.float32) * np.float32(1e-3) for _ in range(count)
    ]


def replies(clients: list[Any]) -> list[Message]:
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
    out = []
    for i, client in enumerate(clients):
        ask = Message(
            content=RecordDict(), message_type=MessageType.TRAIN, dst_node_id=2 + i, group_id="1"
        )
        ask.metadata.__dict__["_message_id"] = str(i)
        content = RecordDict(
            {
                "arrays": ArrayRecord({"theta": Array(client)}),
                "metrics": MetricRecord({"num-examples": 48}),
            }
        )
        out.append(Message(content=content, reply_to=ask))
    return out


def flower(strategy: Any, messages: list[Message]) -> Call:
    def call() -> Any:
        # FedMedian pops arrays out of the messages it reads, so hand it shallow copies
        fresh = []
        for message in messages:
            records = {
                "arrays": ArrayRecord(dict(message.content["arrays"].items())),
                "metrics": message.content["metrics"],
            }
            copy = Message.__new__(Message)
            copy.__dict__.update({**message.__dict__, "_content": RecordDict(records)})
            fresh.append(copy)
        arrays, _ = strategy.aggregate_train(1, fresh)
        return arrays["theta"].numpy()

    return call


def sparsefed_torch(theta: Any, clients: list[Any], k: int, rho: float) -> Call:
    """Straight torch: stack, mean, momentum, error feedback, top-k of squares, masking."""
    start = torch.from_numpy(theta)
    tensors = [torch.from_numpy(client) for client in clients]
    momentum, error = torch.zeros_like(start), torch.zeros_like(start)

    def call() -> Any:
        g = torch.stack([start - tensor for tensor in tensors]).mean(0)
        u = g + rho * momentum
        v = error + u
        chosen = (v**2).topk(k)[1]
        update = torch.zeros_like(v)
        update[chosen] = v[chosen]
        v[chosen] = 0
        u[chosen] = 0
        return (start - update).numpy()

    return call


def byzfl_group(name: str, clients: list[Any], options: dict[str, int]) -> Group:
    try:
        import byzfl
    except ImportError:
        return {}
    made = getattr(byzfl, name)(**options)
    stack = np.stack(clients)
    tensor = torch.from_numpy(stack)
    return {
        f"ByzFL {name} (numpy, stacked)": lambda: made(stack),
        f"ByzFL {name} (torch, stacked)": lambda: made(tensor).numpy(),
    }


def groups(count: int, size: int, trim: int) -> dict[str, Group]:
    """Name of a kernel -> its contenders, on `count` vectors of `size` coordinates."""
    theta, clients = clients_of(count, size)
    messages = replies(clients)
    k = max(1, round(size * 400_000 / 11_177_538))
    return {
        **_coordinatewise(clients, messages, trim),
        f"SparseFed server step (k = {k:,})": _sparsefed(theta, clients, k),
        "pairwise squared distances": _distances(theta, clients),
    }


def _coordinatewise(clients: list[Any], messages: list[Message], trim: int) -> dict[str, Group]:
    cut = trim / len(clients) + 1e-9
    return {
        "mean": {
            "fedgroup": lambda: coordinatewise.mean(clients),
            "Flower FedAvg": flower(FedAvg(), messages),
            "np.mean of a stack": lambda: np.mean(np.stack(clients), 0),
        },
        "median": {
            "fedgroup": lambda: coordinatewise.median(clients),
            "Flower FedMedian": flower(FedMedian(), messages),
            "np.median of a stack": lambda: np.median(np.stack(clients), 0),
            "torch.quantile of a stack": lambda: (
                torch.stack([torch.from_numpy(c) for c in clients]).quantile(0.5, 0).numpy()
            ),
            **byzfl_group("Median", clients, {}),
        },
        f"trimmed mean ({trim})": {
            "fedgroup": lambda: coordinatewise.trimmed_mean(clients, trim),
            "Flower FedTrimmedAvg": flower(FedTrimmedAvg(beta=cut), messages),
            "np.sort of a stack": lambda: np.sort(np.stack(clients), 0)[trim:-trim].mean(0),
            **byzfl_group("TrMean", clients, {"f": trim}),
        },
    }


def _sparsefed(theta: Any, clients: list[Any], k: int) -> Group:
    sparse = SparseFed(k=k, rho=0.9)
    state, ones = sparse.init(theta), np.ones(len(clients))
    return {
        "fedgroup": lambda: sparse.step(state, theta, clients, ones)[0],
        "plain torch": sparsefed_torch(theta, clients, k, 0.9),
    }


def _distances(theta: Any, clients: list[Any]) -> Group:
    return {
        "fedgroup": lambda: geometry.squared_distances(geometry.gram(clients, theta)),
        "torch.cdist of a stack": lambda: (
            torch.cdist(*[torch.stack([torch.from_numpy(c) for c in clients])] * 2).square().numpy()
        ),
        "Flower (float32 Gram of weights)": lambda: _flower_distances(clients),
    }


def _flower_distances(clients: list[Any]) -> Any:
    """Flower 1.41's Krum: squared norms and a float32 Gram matrix of the raw weights."""
    from flwr.serverapp.strategy.multikrum import compute_distances

    return compute_distances([ArrayRecord({"theta": Array(c)}) for c in clients])
