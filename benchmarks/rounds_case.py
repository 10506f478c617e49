"""The work of the round benchmark: who trains when on what. Every contender reads it from here.

Needs torch, numpy and fedgroup's data columns only, so that it also imports in another tool's
environment.
"""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.dataset import GroupedDataset, GroupInfo, Ints, Splits
from fedgroup.model import ResNet18
from fedgroup.seeding import rng, torch_seed
from strategies.cohort_schedule import schedule

INFO = GroupInfo(
    name="noise",
    classes=("a", "b"),
    groups=("a0", "a1", "b0", "b1"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    train_counts=(1, 1, 1, 1),
)
SEED = 0
LR = 0.01
MOMENTUM = 0.9


@dataclass(frozen=True)
class Case:
    """One kind of round, and how many of them a block holds."""

    model: str
    """cnn (65,714 parameters) or resnet18."""
    size: int
    """Image size in pixels."""
    clients: int = 100
    per_round: int = 10
    samples: int = 48
    """Images per client."""
    batch: int = 48
    epochs: int = 1
    train: bool = True
    """False: a client returns the weights it got."""
    precision: str = "float32"
    workers: int = 1
    """Processes that train clients."""
    rounds: int = 10
    """Timed rounds of a block."""
    settle: int = 1
    """Rounds at the start of a block that are run but not timed."""
    blocks: int = 4

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Case":
        return cls(**json.loads(text))

    def pictures(self) -> int:
        """Pictures trained on per round."""
        return self.per_round * self.samples * self.epochs

    def cohorts(self) -> list[Ints]:
        """Client ids of every round of a block."""
        return schedule(
            SEED, self.clients, self.per_round / self.clients, self.settle + self.rounds
        )

    def network(self) -> nn.Module:
        """The network with its starting weights, equal in every process."""
        component = Cnn() if self.model == "cnn" else ResNet18(init="scratch")
        return component.build(len(INFO.classes), SEED)

    def shard(self, client: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """A client's images, normalised float32 in channels-last memory, and its classes."""
        data = Images(self.clients * self.samples, self.size).train()
        batch = data.batch(np.arange(client * self.samples, (client + 1) * self.samples), device)
        return batch.x, batch.y


class ThreeConvolutions(nn.Module):
    """3-32-64-80 channels, each convolution followed by a pooling: 65,714 parameters for two
    classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 80, 3, padding=1)
        self.fc = nn.Linear(80, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        out: Tensor = self.fc(F.relu(self.conv3(x)).mean((2, 3)))
        return out


@dataclass(frozen=True)
class Cnn:
    """The small network as a model component."""

    def build(self, classes: int, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "init"))
            return ThreeConvolutions(classes)


@dataclass(frozen=True)
class Images:
    """Noise in uint8 as a data set component; val and test are a handful, evaluation is not
    measured."""

    samples: int = 4800
    size: int = 32

    def load(self) -> Splits:
        few = self._split("val", 8)
        return Splits(self.train(), few, few)

    def train(self) -> GroupedDataset:
        return self._split("train", self.samples)

    def _split(self, name: str, count: int) -> GroupedDataset:
        key = (name, count, self.size)
        if key not in _banks:
            generator = rng(SEED, "bench", name)
            _banks[key] = torch.from_numpy(
                generator.integers(0, 256, (count, self.size, self.size, 3), np.uint8)
            )
        group = np.arange(count) % len(INFO.groups)
        return GroupedDataset.clean(_banks[key], np.arange(count), group // 2, group, INFO)


_banks: dict[tuple[str, int, int], Tensor] = {}


@dataclass(frozen=True)
class Contiguous:
    """Client c holds the c-th run of samples: a partition every contender can reproduce."""

    clients: int = 100

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        return np.array_split(np.arange(len(train)), self.clients)


def device() -> torch.device:
    """CUDA where there is one, or what $FEDGROUP_DEVICE names: as fedgroup picks."""
    name = os.environ.get("FEDGROUP_DEVICE", "auto")
    return torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    )


def wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def train_plainly(
    net: nn.Module, x: Tensor, y: Tensor, case: Case, generator: np.random.Generator
) -> None:
    """One client's local training as one writes it by hand."""
    optimiser = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    net.train()
    for _ in range(case.epochs):
        order = torch.from_numpy(generator.permutation(len(y))).to(x.device)
        for start in range(0, len(y), case.batch):
            index = order[start : start + case.batch]
            with torch.autocast(
                x.device.type, torch.bfloat16, enabled=case.precision == "bfloat16"
            ):
                logits = net(x[index])
            loss = F.cross_entropy(logits.float(), y[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()


def flat(net: nn.Module) -> Any:
    """All parameters as one float32 vector, in the order of fedgroup's layout."""
    return torch.cat([p.detach().reshape(-1) for p in net.parameters()]).float().cpu().numpy()
