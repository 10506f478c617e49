"""How good the model of a run is after a round or an epoch, and which one was the best so far."""

from typing import Any

import numpy as np
import torch
from torch import nn

from fedgroup.attacks.attack import Predict
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.layout import read
from fedgroup.predict import count, predict
from fedgroup.runs.checkpoint import Checkpoint
from fedgroup.runs.run_directory import Run
from fedgroup.task import Task, attack_success, placed_splits, prepared_splits


class Evaluator:
    """Evaluates a model on val, on test and under the attack; keeps the best one in best.npz."""

    def __init__(
        self, run: Run, task: Task, device: torch.device, checkpoint: Checkpoint | None
    ) -> None:
        """Prepare the evaluation of a run.

        Args:
            run: Its directory, where the best model is kept.
            task: Its data and its attack.
            device: Where the models are.
            checkpoint: State that the run goes on from; None at its start.
        """
        self.run, self.task, self.device = run, task, device
        self.splits = placed_splits(task, device)
        self.best = (-1.0, 0)
        """Highest validation WGA so far and its round: the first on ties; the start is out."""
        if checkpoint is not None:
            wga, number = checkpoint.facts["best"]
            self.best = (float(wga), int(number))

    def __call__(
        self, number: int, model: nn.Module, trained: bool = True
    ) -> tuple[dict[str, Any], Ints]:
        """Evaluate the model after a round, and keep it where it is the best so far.

        Args:
            number: Rounds done; 0 is the start.
            model: Network on the device; left in evaluation mode.
            trained: Whether some round so far changed the model; else it cannot be the best one.

        Returns:
            What rounds.jsonl says of it, and its predicted classes on val, (N,): val and test have
            the correct and all predictions per group; attack, where there is one, its wins and all
            that count.
        """

        def classes(view: GroupedDataset) -> Ints:
            return predict(model, view, self.device, self.task.train.precision)

        val, test = classes(self.splits.val), classes(self.splits.test)
        counts = {"val": count(val, self.splits.val), "test": count(test, self.splits.test)}
        row = {
            name: {"correct": list(c.correct), "total": list(c.total)} for name, c in counts.items()
        }
        clean = prepared_splits(self.task).test
        hits = attack_success(self.task, remembering(classes, clean, test))
        if hits is not None:
            row["attack"] = {"hits": list(hits.correct), "total": list(hits.total)}
        wga = counts["val"].wga()
        if number and trained and wga > self.best[0]:
            self.best = (wga, number)
            self.run.save("best", read(model).arrays())
        return row, val


def remembering(classes: Predict, test: GroupedDataset, predicted: Ints) -> Predict:
    """Return a prediction that computes no clean test image twice.

    Args:
        classes: The prediction.
        test: The test split.
        predicted: What `classes` says of the test split, (N,).

    Returns:
        The same prediction; unaltered images of the test split are looked up in `predicted`.
    """
    if test.extra is not None:
        return classes
    by_row = np.full(len(test.bank), -1, np.int64)
    by_row[test.row] = predicted

    def look_up(view: GroupedDataset) -> Ints:
        if view.bank is test.bank and view.extra is None and view.info is test.info:
            remembered = by_row[view.row]
            if (remembered >= 0).all():
                return remembered
        return classes(view)

    return look_up
