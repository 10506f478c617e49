"""What a centralized training method is: a frozen dataclass of settings that says how to train."""

from dataclasses import dataclass, replace

from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_trainer import Trainer
from fedgroup.train import TrainConfig


@dataclass(frozen=True)
class Method:
    """Base of the methods; task.train trains the final model of each."""

    eval_every: int = 1
    """Evaluate after every so many epochs of the final model, and after the last."""

    def __post_init__(self) -> None:
        if self.eval_every < 1:
            raise FedgroupError(f"eval_every must be at least 1, got {self.eval_every}")

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train on splits.train through `trainer`; splits.val may guide, splits.test may not be touched.

        Poison marks and groups of the training split may be used for interventions and where a method is
        given group labels, never to find anything.
        """
        raise NotImplementedError


def changed(config: TrainConfig, **given: float | int | None) -> TrainConfig:
    """A copy of the training settings with those replaced that are not None."""
    return replace(config, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
