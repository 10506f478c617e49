"""JTT that does not amplify what EPIC takes for poisons (paper, appendix A.4 and table 12)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fedgroup.dataset import Bools, GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import tier_rates
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.epic import EPIC
from fedgroup.methods.jtt import JTT
from fedgroup.methods.method import changed
from fedgroup.spec import to_dict
from fedgroup.storage import Arrays
from fedgroup.train import Objective, TrainConfig

UNUSED = {"stop", "case", "minority", "memory", "eval_every"}
"""Settings of EPIC that do not change what it drops here."""


@dataclass(frozen=True)
class EpicThenJtt(JTT):
    """EPIC, then JTT on what EPIC did not drop (paper, appendix A.4).

    EPIC (Yang et al., ICML 2022) runs first, on its own, and is stopped at epoch k; D_k is
    everything it has dropped by then. JTT (Liu et al., ICML 2021) then up-samples its error set E
    minus D_k. Nothing is removed from training.

    The EPIC run is the one that method epic makes from the same seed and settings, so D_k can be
    read off its records too. It is trained once to the longest stop that is asked for, and cached
    by content. The settings are JTT's, and how EPIC trains before it; the defaults are the paper's
    for Waterbirds (appendix A.1).
    """

    stop: int | None = None
    """k: first epoch at which EPIC does not select any more (paper: 3, 5, 7); null: no EPIC, plain
    JTT."""
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
        self._epic_config(TrainConfig())  # refuses bad settings also where EPIC does not run
        if self.case != "standard" or self.epic.case != "standard" or self.epic.stop is not None:
            raise FedgroupError(
                f"epic_then_jtt is case standard with one stop of its own, got case {self.case}, "
                f"epic.case {self.epic.case}, epic.stop {self.epic.stop}: "
                f"use method jtt for its ideal and worst case, and set `stop`"
            )
        if self.stop is not None and not any(
            self.epic.selects(epoch) for epoch in range(self.stop)
        ):
            raise FedgroupError(
                f"EPIC would drop nothing before its stop {self.stop}: "
                f"raise stop or lower epic.start, or set stop to null for plain JTT"
            )

    def amplified(self, found: Bools, train: GroupedDataset, trainer: Trainer) -> Bools:
        """Return the error set without what EPIC has dropped by its stop.

        Args:
            found: The error set, (N,) over `train`.
            train: The training split.
            trainer: Trains under EPIC, and records what was dropped.

        Returns:
            Mask (N,).
        """
        if self.stop is None:
            return super().amplified(found, train, trainer)
        dropped = self._dropped(train, trainer, self.stop)
        facts = {"elmf": tier_rates(dropped, train)}
        trainer.record("eliminate", self.stop, dropped, found & dropped, facts=facts)
        return found & ~dropped

    def _dropped(self, train: GroupedDataset, trainer: Trainer, stop: int) -> Bools:
        """Return D_k, (N,): what is dropped before 0-based epoch `stop`; train as far as needed."""
        # the address of a final model: the shuffles are those of method epic
        stage = trainer.stage("final", train, self._epic_config(trainer.task.train))
        keeper = _DropEpochs(self.epic, train, trainer.task.seed, trainer.device)
        settings = {name: value for name, value in to_dict(self.epic).items() if name not in UNUSED}
        product = {"product": "dropped", "seed": trainer.task.seed, "epic": settings}
        stage.advance(product, keeper, stop - 1)
        return (keeper.epoch >= 0) & (keeper.epoch < stop)

    def _epic_config(self, config: TrainConfig) -> TrainConfig:
        """Return how EPIC trains, from how the final model does."""
        return changed(
            config,
            lr=self.epic_lr,
            weight_decay=self.epic_weight_decay,
            batch_size=self.epic_batch_size,
        )


class _DropEpochs:
    """The epoch at which every sample was dropped, (N,) int64; -1 where it survives."""

    names: tuple[str, ...] = ("dropped",)
    objective: Objective | None = None
    """Mean cross-entropy; the samples of an epoch are draw's."""

    def __init__(self, epic: EPIC, data: GroupedDataset, seed: int, device: torch.device) -> None:
        self.epic, self.data, self.seed, self.device = epic, data, seed, device
        self.epoch = np.full(len(data), -1, np.int64)

    def draw(self, generator: np.random.Generator) -> Ints:
        return generator.permutation(np.flatnonzero(self.epoch < 0))

    def after_epoch(self, number: int, model: nn.Module) -> None:
        if self.epic.selects(number):
            gone = self.epic.isolated(model, self.data, self.seed, number, self.device)
            self.epoch[gone & (self.epoch < 0)] = number

    def arrays(self) -> Arrays:
        return {"dropped": self.epoch}

    def load(self, arrays: Arrays) -> None:
        self.epoch = arrays["dropped"].astype(np.int64)
