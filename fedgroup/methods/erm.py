"""Empirical risk minimisation: plain training, the baseline of every method.

Departures from the authors' code: none; this is fit() on the whole training set.
"""

from dataclasses import dataclass

from fedgroup.dataset import Splits
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.method import Method


@dataclass(frozen=True)
class ERM(Method):
    """Empirical risk minimisation (Vapnik, Principles of Risk Minimization, NIPS 1991).

    Minimises 1/N * sum_i l(x_i, y_i) with l the cross-entropy; task.train alone says how.
    """

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train on every sample, poisons included."""
        trainer.train(splits.train)
