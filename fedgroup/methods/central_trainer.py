"""What a centralized method trains with: the one loop, evaluated, recorded and resumable.

A method asks for first phases (`stage`), records what it selected (`record`), and trains its final
model (`train`, or `epochs` where it acts between epochs). Every epoch of the final model gives one
line of rounds.jsonl and one checkpoint.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from fedgroup.dataset import Bools, GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.evaluator import Evaluator
from fedgroup.methods.between_epochs import BetweenEpochs
from fedgroup.methods.central_records import CentralRecords, MethodState, tally
from fedgroup.methods.stage import Stage, check_loss, epoch_rng, make_stage, start_model
from fedgroup.predict import predict
from fedgroup.proximal import parameter_copies
from fedgroup.runs.checkpoint import Checkpoint
from fedgroup.runs.run_directory import Run
from fedgroup.task import Task
from fedgroup.train import Draw, Epoch, Objective, Progress, TrainConfig, epochs


@dataclass(frozen=True)
class Step:
    """One epoch of the final model, after its evaluation and before its checkpoint.

    What the body of the loop does here is part of the epoch: a run stopped in it does the epoch
    again.
    """

    number: int
    """1 for the first epoch."""
    model: nn.Module
    """May be used in any mode, not changed."""
    row: dict[str, Any]
    """Line of rounds.jsonl; the method may add numbers of its own."""
    val: Ints | None
    """Predicted classes (N,) of the validation split; None where the epoch is not evaluated."""


class Trainer:
    """Trains, evaluates, records and resumes one centralized run; TrainingMethod.run gets one.

    What a method uses: `stage` for a first phase, `build` for another fresh model, `record` for
    what it selected, `train` or `epochs` (once) for the final model, `predict` for what that model
    says; and the attributes `task`, `splits`, `device` and `model`.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        splits: Splits,
        device: torch.device,
        eval_every: int,
        checkpoint: Checkpoint | None,
        who: str = "the method",
    ) -> None:
        """Build the final model; nothing is trained or written yet.

        Args:
            run: The open run directory.
            task: Settings of the run.
            splits: The task's data, poisons included.
            device: Where everything trains.
            eval_every: Epochs from one evaluation of the final model to the next.
            checkpoint: Where a stopped run goes on; None for a new one.
            who: The method, as messages call it.
        """
        self.run, self.task, self.splits, self.device = run, task, splits, device
        self.eval_every = eval_every
        self.model = self.build()
        """The final model."""
        self.evaluator = Evaluator(run, task, device, checkpoint)
        self.records = CentralRecords(run, self.model, self.evaluator)
        self.layout = self.records.layout
        self.finished = False
        """Whether the final model is trained to its last epoch."""
        self._checkpoint = checkpoint
        # what was recorded before the checkpoint stands in the files
        self._recording = checkpoint is None
        self._started = False
        self._between = BetweenEpochs(who, self.model)

    def build(self) -> nn.Module:
        """Return a fresh model on the device: all phases of all methods start from its weights."""
        return start_model(self.task, self.splits.train, self.device)

    def stage(self, name: str, data: GroupedDataset, config: TrainConfig) -> Stage:
        """Return an identification phase, cached by content: equal ones are trained once.

        Args:
            name: Name of the phase, which addresses its shuffles.
            data: What it trains on; usually the training split.
            config: How it trains; how long is said where its product is asked for.

        Returns:
            The stage; it trains when predictions or weights are asked of it.
        """
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
        """Record a selection: what the method found and what it acts on.

        Goes to selections.jsonl as [selected, of] per tier, and as masks by sample identity to
        selection-KIND.npz (the latest one).

        Args:
            kind: Whether the samples are amplified or eliminated.
            step: Epochs that the model which selected them had been trained.
            found: Samples that the method identified, (N,) bool.
            used: Samples that it acts on: `found` after an intervention, (N,) bool.
            data: The N samples; by default the training split.
            facts: Anything else that explains it, plain values for the line.

        Raises:
            FedgroupError: where a mask does not fit the data.
        """
        data = self.splits.train if data is None else data
        for mask in (found, used):
            self._between.selection(mask, len(data))
        self._between.facts(facts or {})
        if self._recording:
            tallies = {"found": tally(found, data), "used": tally(used, data)}
            line = {"kind": kind, "step": step, **tallies, **(facts or {})}
            self.run.append("selections", line)
            self.run.save(f"selection-{kind}", {"index": data.index, "found": found, "used": used})

    def train(
        self,
        data: GroupedDataset,
        *,
        objective: Objective | None = None,
        draw: Draw | None = None,
        state: MethodState | None = None,
    ) -> None:
        """Train the final model to its last epoch: `epochs` for methods that do nothing between.

        Args:
            data: What it trains on.
            objective: Scalar to minimise; by default the mean cross-entropy.
            draw: Positions of an epoch, in order; by default all, shuffled.
            state: What changes between epochs, for the checkpoints.
        """
        for _ in self.epochs(data, objective=objective, draw=draw, state=state):
            pass

    def epochs(
        self,
        data: GroupedDataset,
        *,
        objective: Objective | None = None,
        draw: Draw | None = None,
        state: MethodState | None = None,
    ) -> Iterator[Step]:
        """Train the final model for task.train.epochs, yielding after each; once per run.

        Epochs that a checkpoint covers are not yielded again: `state` is then loaded from it.

        Args:
            data: What it trains on.
            objective: Scalar to minimise; by default the mean cross-entropy.
            draw: Positions of an epoch, in order; by default all, shuffled.
            state: What changes between epochs, for the checkpoints.

        Yields:
            Each epoch, evaluated and not yet recorded.

        Raises:
            FedgroupError: where it is called twice, or training diverges.
        """
        if self._started:
            raise FedgroupError("a method trains one final model: Trainer.epochs was called twice")
        self._started = True
        anchor = parameter_copies(self.model) if self.task.train.proximal_mu else None
        progress = self._start(state)
        self._recording = True
        self.records.lap()
        trained = epochs(
            *(self.model, data, self.task.train, epoch_rng(self.task.seed, "final"), self.device),
            objective=objective,
            draw=draw,
            state=progress,
            anchor=anchor,
        )
        for epoch in trained:
            check_loss(epoch.number, epoch.loss, "training")
            seconds = {"train": self.records.lap()}
            step = self._evaluated(epoch)
            seconds["evaluate"] = self.records.lap()
            self._between.begin()
            yield step
            self._between.end(step.number, step.row)
            self.records.finish_epoch(step.row, epoch, state, seconds)
        self.finished = True

    def predict(self, view: GroupedDataset) -> Ints:
        """Return predicted classes (N,) of the final model as it is now."""
        return predict(self.model, view, self.device, self.task.train.precision)

    def _start(self, state: MethodState | None) -> Progress | None:
        """Record the start of a new run, or go on from the checkpoint of a stopped one."""
        if self._checkpoint is not None:
            return self.records.restore(self._checkpoint, state)
        start, _ = self.evaluator(0, self.model)
        seconds = {"prepare": self.records.lap()}
        self.records.finish_epoch({"round": 0, **start}, None, state, seconds)
        return None

    def _evaluated(self, epoch: Epoch) -> Step:
        """Return an epoch with its line of rounds.jsonl, evaluated where it is due."""
        number = epoch.number
        row: dict[str, Any] = {"round": number, "loss": epoch.loss, "samples": epoch.samples}
        val = None
        if number % self.eval_every == 0 or number == self.task.train.epochs:
            evaluated, val = self.evaluator(number, self.model)
            row |= evaluated
        return Step(number, self.model, row, val)
