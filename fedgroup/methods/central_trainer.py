"""What a centralized method trains with: the one loop, evaluated, recorded and resumable.

A method asks for identification stages, records what it selected, and drives the epochs of its final
model. Every epoch gives one line of rounds.jsonl and one checkpoint.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from fedgroup.cache import Arrays
from fedgroup.dataset import Bools, GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.evaluator import Evaluator
from fedgroup.group_metrics import cells
from fedgroup.layout import Layout, Weights, read, write
from fedgroup.methods.stage import Stage, check_loss
from fedgroup.model import build_model
from fedgroup.predict import predict
from fedgroup.run_directory import Checkpoint, Run
from fedgroup.seeding import rng
from fedgroup.task import Task
from fedgroup.train import Draw, Epoch, Objective, Progress, TrainConfig, epochs

NAMESPACE = "central"
"""First word of the address of every shuffle: rng(seed, "central", stage, epoch)."""


class State(Protocol):
    """What a method carries from epoch to epoch: GroupDRO's weights, the samples still alive."""

    def state(self) -> Mapping[str, Any]:
        """Arrays by name."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state()."""
        ...


@dataclass(frozen=True)
class Step:
    """One epoch of the final model, after its evaluation and before its checkpoint.

    What the body of the loop does here is part of the epoch: a run stopped in it does the epoch again.
    """

    number: int
    """1 for the first epoch."""
    model: nn.Module
    """May be used in any mode, not changed."""
    row: dict[str, Any]
    """Line of rounds.jsonl; the method may add numbers of its own."""
    val: Ints | None
    """Predicted classes of the validation split; None where the epoch is not evaluated."""


class Trainer:
    """Training of one centralized run; made by fedgroup.methods.central_run."""

    def __init__(
        self,
        run: Run,
        task: Task,
        splits: Splits,
        device: torch.device,
        eval_every: int,
        found: Checkpoint | None,
    ) -> None:
        self.run, self.task, self.splits, self.device = run, task, splits, device
        self.eval_every = eval_every
        self.model = self.build()
        """The final model."""
        self.layout = Layout.of(self.model)
        self.evaluate = Evaluator(run, task, device, found)
        self.finished = False
        self._found = found
        self._recording = (
            found is None
        )  # what was recorded before the checkpoint stands in the files
        self._started = False
        self._clock = time.perf_counter()
        self._record_seconds = 0.0

    def build(self) -> nn.Module:
        """A fresh start model on the device: every phase of every method starts from the same weights."""
        return _start_model(self.task, self.splits.train, self.device)

    def stage(self, name: str, data: GroupedDataset, config: TrainConfig) -> Stage:
        """Identification phase `name` on `data`, cached by content."""
        return make_stage(self.task, name, data, config, self.device)

    def record(
        self,
        kind: Literal["amplify", "eliminate"],
        step: int,
        found: Bools,
        used: Bools,
        data: GroupedDataset | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a selection: what the method found and what it acts on, (N,) masks over `data`.

        data is the training split by default, step the epoch of the model that selected, facts anything
        plain that explains it. Goes to selections.jsonl as [selected, of] per tier, and as masks by sample
        identity to selection-KIND.npz (the latest one).
        """
        data = self.splits.train if data is None else data
        for mask in (found, used):
            if mask.shape != data.y.shape:
                raise FedgroupError(f"a selection of {mask.shape} over {len(data)} samples")
        if self._recording:
            line = {
                "kind": kind,
                "step": step,
                "found": tally(found, data),
                "used": tally(used, data),
            }
            self.run.append("selections", line | dict(facts or {}))
            self.run.save(f"selection-{kind}", {"index": data.index, "found": found, "used": used})

    def train(
        self,
        data: GroupedDataset,
        *,
        objective: Objective | None = None,
        draw: Draw | None = None,
        state: State | None = None,
    ) -> None:
        """Train the final model to its last epoch."""
        for _ in self.epochs(data, objective=objective, draw=draw, state=state):
            pass

    def epochs(
        self,
        data: GroupedDataset,
        *,
        objective: Objective | None = None,
        draw: Draw | None = None,
        state: State | None = None,
    ) -> Iterator[Step]:
        """Train the final model on `data` for task.train.epochs, yielding after each; once per run.

        Epochs that a checkpoint covers are not yielded again: `state` is then loaded from it.
        """
        if self._started:
            raise FedgroupError("a method trains one final model: Trainer.epochs was called twice")
        self._started = True
        progress = None
        if self._found is None:
            start, _ = self.evaluate(0, self.model)
            self._finish_epoch({"round": 0, **start}, None, state, {"prepare": self._lap()})
        else:
            progress = self._restore(self._found, state)
        self._recording = True
        self._lap()
        config = self.task.train
        made = epochs(
            *(self.model, data, config, _epoch_rng(self.task.seed, "final"), self.device),
            objective=objective,
            draw=draw,
            state=progress,
        )
        for epoch in made:
            check_loss(epoch.number, epoch.loss, "training")
            seconds = {"train": self._lap()}
            row: dict[str, Any] = {
                "round": epoch.number,
                "loss": epoch.loss,
                "samples": epoch.samples,
            }
            val = None
            if epoch.number % self.eval_every == 0 or epoch.number == config.epochs:
                evaluated, val = self.evaluate(epoch.number, self.model)
                row |= evaluated
            seconds["evaluate"] = self._lap()
            yield Step(epoch.number, self.model, row, val)
            self._finish_epoch(row, epoch, state, seconds)
        self.finished = True

    def predict(self, view: GroupedDataset) -> Ints:
        """Predicted classes (N,) of the final model as it is now."""
        return predict(self.model, view, self.device, self.task.train.precision)

    def _lap(self) -> float:
        """Seconds since the last call."""
        now = time.perf_counter()
        passed, self._clock = now - self._clock, now
        return round(passed, 6)

    def _finish_epoch(
        self,
        row: dict[str, Any],
        epoch: Epoch | None,
        state: State | None,
        seconds: dict[str, float],
    ) -> None:
        """Write the lines of an epoch and its checkpoint."""
        number = row["round"]
        seconds["method"] = self._lap()
        self.run.append("rounds", row)
        self.run.append("timing", {"round": number, **seconds, "record": self._record_seconds})
        arrays: Arrays = dict(read(self.model).arrays())
        arrays["momentum"] = np.empty(0, np.float32) if epoch is None else epoch.progress().momentum
        if state is not None:
            arrays |= {f"state.{name}": np.asarray(value) for name, value in state.state().items()}
        self.run.checkpoint(
            number, arrays, {"layout": self.layout.hash(), "best": list(self.evaluate.best)}
        )
        self._record_seconds = self._lap()

    def _restore(self, found: Checkpoint, state: State | None) -> Progress:
        if found.facts["layout"] != self.layout.hash():
            raise FedgroupError(
                f"the checkpoint in {self.run.folder} belongs to another model layout: delete the folder"
            )
        write(
            self.model, Weights(*(found.arrays[name] for name in ("theta", "buffers", "counters")))
        )
        if state is not None:
            state.load(found.part("state"))
        return Progress(found.round, found.arrays["momentum"])


def make_stage(
    task: Task, name: str, data: GroupedDataset, config: TrainConfig, device: torch.device
) -> Stage:
    """Identification phase `name` of a centralized run of `task`, on `data`."""
    address = (task.seed, NAMESPACE, name)
    return Stage(
        lambda: _start_model(task, data, device),
        data,
        config,
        _epoch_rng(task.seed, name),
        address,
        device,
    )


def _start_model(task: Task, data: GroupedDataset, device: torch.device) -> nn.Module:
    return build_model(task.model, len(data.info.classes), task.seed, device)


def _epoch_rng(seed: int, stage: str) -> Callable[[int], np.random.Generator]:
    return lambda epoch: rng(seed, NAMESPACE, stage, epoch)


def tally(selected: Bools, data: GroupedDataset) -> dict[str, list[int]]:
    """[selected, of] per reported tier and of the poisons: what IDNF and ELMF are ratios of."""
    found = cells(data.group, data.poison, data.info.reported_tiers())
    return {name: [int((selected & cell).sum()), int(cell.sum())] for name, cell in found.items()}
