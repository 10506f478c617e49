"""JTT that does not amplify what EPIC takes for poisons (paper, A.4 and table 12; spec sample_defences).

EPIC runs first, on its own, and is stopped at epoch k; D_k is everything it has dropped by then. JTT then
up-samples its error set E without D_k. Nothing is removed from training.

The EPIC run is the one that method epic makes from the same seed and settings, so D_k can be read off its
records too. It is trained once to the longest stop that is asked for, and cached by content.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fedgroup.cache import Arrays
from fedgroup.dataset import Bools, GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.epic import EPIC
from fedgroup.methods.identification import idnf
from fedgroup.methods.jtt import JTT
from fedgroup.methods.method import changed
from fedgroup.spec import to_dict
from fedgroup.train import Objective

UNUSED = {"stop", "case", "minority", "memory", "eval_every"}
"""Settings of EPIC that do not change what it drops here."""


@dataclass(frozen=True)
class EpicThenJtt(JTT):
    """JTT's settings, and how EPIC trains before it; the defaults are the paper's for Waterbirds (A.1)."""

    stop: int | None = None
    """k: first epoch at which EPIC does not select any more (paper: 3, 5, 7); null: no EPIC, plain JTT."""
    epic: EPIC = EPIC()
    """How EPIC selects; its own stop and case stay as they are."""
    epic_lr: float | None = 1e-2
    """Learning rate under EPIC; null: task.train's."""
    epic_weight_decay: float | None = 1e-4
    """Weight decay under EPIC; null: task.train's."""
    epic_batch_size: int | None = None
    """Batch size under EPIC; null: task.train's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.case != "standard" or self.epic.case != "standard" or self.epic.stop is not None:
            raise FedgroupError(
                f"epic_then_jtt is case standard with one stop of its own, got case {self.case}, epic.case "
                f"{self.epic.case}, epic.stop {self.epic.stop}: use method jtt for its ideal and worst case, "
                f"and set `stop`"
            )
        if self.stop is not None and not any(
            self.epic.selects(epoch) for epoch in range(self.stop)
        ):
            raise FedgroupError(
                f"EPIC would drop nothing before its stop {self.stop}: raise stop or lower epic.start, "
                f"or set stop to null for plain JTT"
            )

    def amplified(self, found: Bools, train: GroupedDataset, trainer: Trainer) -> Bools:
        """The error set without what EPIC has dropped by its stop."""
        if self.stop is None:
            return super().amplified(found, train, trainer)
        dropped = self._dropped(train, trainer, self.stop)
        trainer.record(
            "eliminate", self.stop, dropped, found & dropped, facts={"elmf": idnf(dropped, train)}
        )
        return found & ~dropped

    def _dropped(self, train: GroupedDataset, trainer: Trainer, stop: int) -> Bools:
        """D_k: the samples dropped before 0-based epoch `stop`, (N,); trains stop - 1 epochs at most."""
        config = changed(
            trainer.task.train,
            lr=self.epic_lr,
            weight_decay=self.epic_weight_decay,
            batch_size=self.epic_batch_size,
        )
        # the address of a final model: the shuffles are those of method epic
        stage = trainer.stage("final", train, config)
        keeper = _Dropped(self.epic, train, trainer.task.seed, trainer.device)
        settings = {name: value for name, value in to_dict(self.epic).items() if name not in UNUSED}
        product = {"product": "dropped", "seed": trainer.task.seed, "epic": settings}
        stage.keep(product, keeper, stop - 1)
        return (keeper.epoch >= 0) & (keeper.epoch < stop)


class _Dropped:
    """The epoch at which every sample was dropped, (N,) int64; -1 where it is alive."""

    names: tuple[str, ...] = ("dropped",)
    objective: Objective | None = None
    """Mean cross-entropy; the samples of an epoch are draw's."""

    def __init__(self, epic: EPIC, data: GroupedDataset, seed: int, device: torch.device) -> None:
        self.epic, self.data, self.seed, self.device = epic, data, seed, device
        self.epoch = np.full(len(data), -1, np.int64)

    def draw(self, generator: np.random.Generator) -> Ints:
        return generator.permutation(np.flatnonzero(self.epoch < 0))

    def after(self, model: nn.Module, number: int) -> None:
        if self.epic.selects(number):
            gone = self.epic.isolated(model, self.data, self.seed, number, self.device)
            self.epoch[gone & (self.epoch < 0)] = number

    def arrays(self) -> Arrays:
        return {"dropped": self.epoch}

    def load(self, arrays: Arrays) -> None:
        self.epoch = arrays["dropped"].astype(np.int64)
