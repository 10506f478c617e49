"""What a centralized run writes after every epoch, its lines and its checkpoint, and resuming."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import Bools, GroupedDataset
from fedgroup.evaluator import Evaluator
from fedgroup.frozen import check_same_model, model_facts
from fedgroup.group_metrics import tier_masks
from fedgroup.guards.component_results import checked_state
from fedgroup.guards.surroundings import name_of
from fedgroup.layout import Layout, Weights, read, write
from fedgroup.runs.checkpoint import Checkpoint
from fedgroup.runs.run_directory import Run
from fedgroup.storage import Arrays
from fedgroup.train import Epoch, Progress


class MethodState(Protocol):
    """What a method carries from epoch to epoch: GroupDRO's weights, EPIC's surviving samples.

    It is saved in every checkpoint, so that a stopped run goes on exactly.
    """

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return all that changes between epochs, as arrays by name."""
        ...

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what state() returned."""
        ...


class CentralRecords:
    """Writes the epochs of one centralized run, and measures the time between its steps."""

    def __init__(self, run: Run, model: nn.Module, evaluator: Evaluator) -> None:
        """Start the clock.

        Args:
            run: The open run directory.
            model: The final model.
            evaluator: Knows the best epoch so far, which checkpoints keep.
        """
        self.run, self.model, self.evaluator = run, model, evaluator
        self.layout = Layout.of(model)
        self.facts = model_facts(model)
        self._clock = time.perf_counter()
        self._record_seconds = 0.0

    def lap(self) -> float:
        """Return the seconds since the last call."""
        now = time.perf_counter()
        passed, self._clock = now - self._clock, now
        return round(passed, 6)

    def finish_epoch(
        self,
        row: Mapping[str, Any],
        epoch: Epoch | None,
        state: MethodState | None,
        seconds: Mapping[str, float],
    ) -> None:
        """Write the lines of an epoch and its checkpoint.

        Args:
            row: Line of rounds.jsonl.
            epoch: The epoch; None for the start.
            state: What the method carries, if anything.
            seconds: Seconds of the parts of the epoch so far.
        """
        number = row["round"]
        timing = {**seconds, "method": self.lap(), "record": self._record_seconds}
        self.run.append("rounds", row)
        self.run.append("timing", {"round": number, **timing})
        arrays: Arrays = dict(read(self.model).arrays())
        arrays["momentum"] = np.empty(0, np.float32) if epoch is None else epoch.progress().momentum
        if state is not None:
            kept = checked_state(name_of(state, "state"), state.state(), f" (epoch {number})")
            arrays |= {f"state.{name}": value for name, value in kept.items()}
        facts = {**self.facts, "best": list(self.evaluator.best)}
        self.run.checkpoint(number, arrays, facts)
        self._record_seconds = self.lap()

    def restore(self, checkpoint: Checkpoint, state: MethodState | None) -> Progress:
        """Load the model and the method's state from a checkpoint; return where training goes on.

        Raises:
            FedgroupError: where the checkpoint belongs to another model.
        """
        check_same_model(checkpoint.facts, self.model, self.run.folder)
        write(self.model, Weights.from_arrays(checkpoint.arrays))
        if state is not None:
            state.load(checkpoint.part("state"))
        return Progress(checkpoint.round, checkpoint.arrays["momentum"])


def tally(mask: Bools, data: GroupedDataset) -> dict[str, list[int]]:
    """Return [selected, of] per reported tier and for the poisons, from a mask (N,) over `data`.

    IDNF and ELMF are the ratios of these counts.
    """
    masks = tier_masks(data.group, data.poison, data.info.reported_tiers())
    return {
        name: [int((mask & members).sum()), int(members.sum())] for name, members in masks.items()
    }
