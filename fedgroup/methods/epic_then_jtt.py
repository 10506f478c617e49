"""JTT that does not amplify what EPIC takes for poisons (paper, A.4 and table 12; spec sample_defences).

EPIC runs first, on its own, and is stopped at epoch k; D_k is everything it has dropped by then. JTT then
up-samples its error set E without D_k. Nothing is removed from training.

The EPIC run is the one that method epic makes from the same seed and settings, so D_k can be read off its
records too. It is trained once to the longest stop that is asked for, and cached by content.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fedgroup.attacks.cache import Arrays, save
from fedgroup.dataset import Bools, GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights, read, write
from fedgroup.methods.epic import EPIC
from fedgroup.methods.identification import error_set, idnf
from fedgroup.methods.jtt import JTT, weighted
from fedgroup.methods.method import changed
from fedgroup.methods.upsampling import upsample
from fedgroup.spec import to_dict
from fedgroup.stage import STATE, Keeper, Stage, check_loss
from fedgroup.train import Objective, Progress, epochs
from fedgroup.trainer import Trainer

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
        if self.stop is not None and not any(self.epic.selects(epoch) for epoch in range(self.stop)):
            raise FedgroupError(
                f"EPIC would drop nothing before its stop {self.stop}: raise stop or lower epic.start, "
                f"or set stop to null for plain JTT"
            )

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Run EPIC, then train twice."""
        if self.stop is None:
            super().run(splits, trainer)
            return
        train = splits.train
        dropped = self._dropped(train, trainer, self.stop)
        config = changed(
            trainer.task.train,
            lr=self.identify_lr,
            weight_decay=self.identify_weight_decay,
            batch_size=self.identify_batch_size,
        )
        first = trainer.stage("identify", train, config)
        found = error_set(first.predictions(self.identify_epochs, self.predictions), train)
        used = found & ~dropped
        trainer.record("eliminate", self.stop, dropped, found & dropped, facts={"elmf": idnf(dropped, train)})
        trainer.record("amplify", self.identify_epochs, found, used)
        if self.amplify == "weights":
            trainer.train(train, objective=weighted(train, used, self.upsample, trainer.device))
        else:
            trainer.train(upsample(train, used, self.upsample, self.amplify))

    def _dropped(self, train: GroupedDataset, trainer: Trainer, stop: int) -> Bools:
        config = changed(
            trainer.task.train,
            lr=self.epic_lr,
            weight_decay=self.epic_weight_decay,
            batch_size=self.epic_batch_size,
        )
        # the address of a final model: the shuffles are those of method epic
        plain = trainer.stage("final", train, config)
        stage = Elimination(plain.build, plain.data, plain.config, plain.rng, plain.address, plain.device)
        return stage.dropped(self.epic, trainer.task.seed, stop)


class Elimination(Stage):
    """A whole EPIC run as a cached stage."""

    def dropped(self, epic: EPIC, seed: int, stop: int) -> Bools:
        """D_k: the samples dropped before 0-based epoch `stop`, (N,) bool; trains stop - 1 epochs at most."""
        keeper = _Dropped(epic, self.data, seed, self.device)
        settings = {name: value for name, value in to_dict(epic).items() if name not in UNUSED}
        self._run({"product": "dropped", "seed": seed, "epic": settings}, keeper, stop - 1)
        return (keeper.epoch >= 0) & (keeper.epoch < stop)

    def _train(self, path: Path, stored: Arrays | None, keeper: Keeper, length: int) -> None:
        """The base's loop, with the keeper's draw."""
        assert isinstance(keeper, _Dropped)
        model = self.build()
        state = None
        if stored is not None:
            write(model, Weights(*(stored[name] for name in STATE[:3])))
            state = Progress(int(stored["epoch"]), stored["momentum"])
        else:
            keeper.after(model, 0)
        if length == 0:
            return
        config = replace(self.config, epochs=length)
        made = epochs(model, self.data, config, self.rng, self.device, draw=keeper.draw, state=state)
        for epoch in made:
            check_loss(epoch.number, epoch.loss, "the model under EPIC")
            progress = epoch.progress()
            keeper.after(model, epoch.number)
            held = {"momentum": progress.momentum, "epoch": np.array(progress.epoch)}
            save(path, {**read(model).arrays(), **held, **keeper.arrays()})


class _Dropped:
    """The epoch at which every sample was dropped, (N,) int64; -1 where it is alive."""

    names: tuple[str, ...] = ("dropped",)
    objective: Objective | None = None

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
