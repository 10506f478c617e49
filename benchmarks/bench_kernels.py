"""Aggregation kernels against Flower, numpy, torch and (where installed) ByzFL, interleaved.

    make bench-kernels                       10 x 11,177,538 (ResNet-18) and 50 x 1,000,000 float32
    python benchmarks/bench_kernels.py --quick       the same on 1,000,000 and 100,000, three repetitions

Every repetition runs all methods of a group one after another; the table gives the median time of each, the
median of the same-repetition ratios against ours, the multiple of the time to read the input once (the
floor), and the peak extra memory. Results are checked against ours before anything is timed.
"""

import argparse
import gc
import logging
import resource
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
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
    theta, clients = clients_of(count, size)
    messages = replies(clients)
    k = max(1, round(size * 400_000 / 11_177_538))
    sparse = SparseFed(k=k, rho=0.9)
    state = sparse.init(theta)
    ones = np.ones(count)
    cut = trim / count + 1e-9
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
        f"SparseFed server step (k = {k:,})": {
            "fedgroup": lambda: sparse.step(state, theta, clients, ones)[0],
            "plain torch": sparsefed_torch(theta, clients, k, 0.9),
        },
        "pairwise squared distances": {
            "fedgroup": lambda: geometry.squared_distances(geometry.gram(clients, theta)),
            "torch.cdist of a stack": lambda: (
                torch.cdist(*[torch.stack([torch.from_numpy(c) for c in clients])] * 2)
                .square()
                .numpy()
            ),
            "Flower (float32 Gram of weights)": lambda: _flower_distances(clients),
        },
    }


def _flower_distances(clients: list[Any]) -> Any:
    """Flower 1.41's Krum: squared norms and a float32 Gram matrix of the raw weights."""
    from flwr.serverapp.strategy.multikrum import compute_distances

    return compute_distances([ArrayRecord({"theta": Array(c)}) for c in clients])


class Peak:
    """Peak resident memory above the start, sampled every 5 ms."""

    def __enter__(self) -> "Peak":
        gc.collect()
        self.start = self._now()
        self.top = self.start
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False
        self.thread.join()
        self.mib = (self.top - self.start) / 2**20

    def _watch(self) -> None:
        while self.running:
            self.top = max(self.top, self._now())
            time.sleep(0.005)

    @staticmethod
    def _now() -> int:
        try:
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name: str, group: Group, repeats: int, floor: float) -> None:
    expected = group["fedgroup"]()
    times: dict[str, list[float]] = {method: [] for method in group}
    memory = {}
    notes = {}
    for method, call in list(group.items()):
        try:
            with Peak() as peak:
                found = np.asarray(call())
        except RuntimeError as error:  # torch.quantile refuses large inputs
            notes[method] = str(error).split("\n")[0][:60]
            del times[method]
            continue
        memory[method] = peak.mib
        scale = float(np.abs(expected).max())
        notes[method] = f"{float(np.abs(found - expected).max()) / scale:.1e}"
    for _ in range(repeats):
        for method in times:
            start = time.perf_counter()
            group[method]()
            times[method].append(time.perf_counter() - start)
    print(
        f"\n| {name} | ms | of ours | of the floor | extra MiB | largest difference |\n|---|---|---|---|---|---|"
    )
    for method in group:
        if method not in times:
            print(f"| {method} | – | – | – | – | {notes[method]} |")
            continue
        ratio = statistics.median(
            a / b for a, b in zip(times[method], times["fedgroup"], strict=True)
        )
        middle = statistics.median(times[method])
        print(
            f"| {method} | {middle * 1e3:,.0f} | {ratio:.1f} | {middle / floor:.1f} | "
            f"{memory[method]:,.0f} | {notes[method]} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    logging.getLogger("flwr").setLevel(logging.ERROR)
    torch.set_num_threads(2)
    sizes = (
        [(10, 1_000_000, 2), (50, 100_000, 10)]
        if args.quick
        else [(10, 11_177_538, 2), (50, 1_000_000, 10)]
    )
    for count, size, trim in sizes:
        _, clients = clients_of(count, size)
        reads = []
        for _ in range(5):
            start = time.perf_counter()
            for client in clients:
                client.max()
            reads.append(time.perf_counter() - start)
        floor = statistics.median(reads)
        print(
            f"\n## {count} x {size:,} float32 ({count * size * 4 / 1e6:,.0f} MB), floor {floor * 1e3:.1f} ms"
        )
        del clients
        for name, group in groups(count, size, trim).items():
            measure(name, group, 3 if args.quick else args.repeats, floor)
            gc.collect()


if __name__ == "__main__":
    main()
