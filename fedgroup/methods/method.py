"""What a centralized training method is: a frozen dataclass of settings that says how to train."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_trainer import Trainer
from fedgroup.spec import Component
from fedgroup.train import TrainConfig


class TrainingMethod(Component, Protocol):
    """A centralized training method component: a frozen dataclass whose fields are its settings.

    `run` reads like the algorithm and leaves the rest to the trainer. A method may derive from
    `Method`, which adds the setting eval_every; without it every epoch is evaluated.
    """

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train the final model of one run.

        Record what is identified with trainer.record, and train the final model exactly once, with
        trainer.train or by using up trainer.epochs. A run that was stopped calls `run` again with
        the same arguments: what comes before the final model is done again and must give the same
        bits (trainer.stage caches long first phases), the epochs before the checkpoint are skipped.
        Whatever changes between epochs goes into a MethodState that is passed to trainer.epochs.

        Args:
            splits: The data, poisons included. Train on splits.train; splits.val may guide;
                splits.test may not be touched. Poison marks, and groups where the method is not
                given group labels, may serve interventions (fedgroup.intervene) but never help to
                find anything.
            trainer: Trains, evaluates, records and resumes. trainer.task.train has the settings of
                the final model, trainer.task.seed the seed: draw from
                fedgroup.seeding.rng(seed, "my_method", ...) alone.

        Raises:
            FedgroupError: where settings do not fit the data or the length of training.
        """
        ...


@dataclass(frozen=True)
class Method:
    """Base of the methods here; task.train trains the final model of each."""

    eval_every: int = 1
    """Evaluate after every so many epochs of the final model, and after the last."""

    def __post_init__(self) -> None:
        if self.eval_every < 1:
            raise FedgroupError(f"eval_every must be at least 1, got {self.eval_every}")

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train the final model (see TrainingMethod.run)."""
        raise NotImplementedError


@runtime_checkable
class _HasInterval(Protocol):
    eval_every: int


def evaluation_interval(method: TrainingMethod) -> int:
    """Return the epochs from one evaluation of the final model to the next; 1 without a setting."""
    return method.eval_every if isinstance(method, _HasInterval) else Method.eval_every


def changed(config: TrainConfig, **settings: float | int | None) -> TrainConfig:
    """Return a copy of the training settings with those replaced that are not None."""
    replaced = {name: value for name, value in settings.items() if value is not None}
    return replace(config, **replaced)  # type: ignore[arg-type]
