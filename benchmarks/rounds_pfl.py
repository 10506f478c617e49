"""Apple's pfl: SimulatedBackend, FederatedAveraging and its PyTorchModel, in its own environment.

Users' data are float32 tensors normalised once and kept in memory, data and network channels-last,
the fastest form pfl takes. No-op rounds train for 0 local epochs. pfl measures users only in round
0, which is not timed.
"""

import sys
import time
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch.nn import functional as F

from benchmarks.rounds_case import LR, MOMENTUM, Case, device, flat, wait_for_device
from benchmarks.rounds_turns import Turns, keep_theta, per_round, serve


class Learner(torch.nn.Module):
    """A network with the two methods pfl asks for."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        self.train()
        return F.cross_entropy(self.net(x), y)

    @torch.no_grad()
    def metrics(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
        self.eval()
        return {"loss": Weighted(F.cross_entropy(self.net(x), y, reduction="sum").item(), len(y))}


class Stamps(TrainingProcessCallback):
    """The moments at which rounds end."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def on_train_begin(self, *, model: Any) -> Metrics:
        self.moments.append(time.perf_counter())
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: Any, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        wait_for_device()
        self.moments.append(time.perf_counter())
        return False, Metrics()


def simulate(case: Case, learner: Learner, shards: dict[int, Any]) -> list[float]:
    """Run one block; returns the moments at which its rounds end."""
    cohorts = case.cohorts()
    users = iter([int(client) for cohort in cohorts for client in cohort])
    population = FederatedDataset.from_slices(shards, lambda: next(users))
    model = PyTorchModel(
        learner,
        local_optimizer_create=lambda parameters, lr: torch.optim.SGD(
            parameters, lr=lr, momentum=MOMENTUM
        ),
        central_optimizer=torch.optim.SGD(learner.parameters(), lr=1.0),
        amp_dtype=torch.bfloat16 if case.precision == "bfloat16" else None,
    )
    stamps = Stamps()
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=len(cohorts),
            evaluation_frequency=len(cohorts) + 1,
            train_cohort_size=case.per_round,
            val_cohort_size=None,
        ),
        SimulatedBackend(training_data=population, val_data=population),
        model,
        NNTrainHyperParams(
            local_num_epochs=case.epochs if case.train else 0,
            local_learning_rate=LR,
            local_batch_size=case.batch,
        ),
        NNEvalHyperParams(local_batch_size=case.batch),
        callbacks=[stamps],
    )
    return stamps.moments


def main() -> None:
    case, theta = Case.from_json(sys.argv[1]), sys.argv[2]
    turns = Turns()
    np.random.seed(0)  # noqa: NPY002 pfl draws from numpy's global generator
    where = device()
    learner = Learner(case.network()).to(where).to(memory_format=torch.channels_last)
    initial = {name: value.clone() for name, value in learner.state_dict().items()}
    shards = {client: case.shard(client, where) for client in range(case.clients)}

    def block() -> dict[str, Any]:
        learner.load_state_dict(initial)
        moments = simulate(case, learner, shards)
        keep_theta(theta, flat(learner))
        return {"seconds": per_round(moments, case.settle)}

    serve(block, turns)


if __name__ == "__main__":
    main()
