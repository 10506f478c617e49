"""What a method may do between epochs of the final model: look, decide, and add to the records."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from fedgroup.dataset import Bools
from fedgroup.errors import FedgroupError
from fedgroup.frozen import Frozen
from fedgroup.guards.component_results import checked_plain, described
from fedgroup.guards.surroundings import Surroundings


class BetweenEpochs:
    """Watches a method between the epochs of its final model."""

    def __init__(self, who: str, model: nn.Module) -> None:
        """Note how things are before training.

        Args:
            who: The method as messages call it.
            model: The final model.
        """
        self.who, self._model = who, model
        self._surroundings, self._frozen = Surroundings(), Frozen(model)
        self._versions: list[int] = []

    def begin(self) -> None:
        """Note that an epoch has been trained: the method acts now."""
        self._frozen.check(self._model)
        self._versions = self._now()

    def end(self, number: int, row: Mapping[str, Any]) -> None:
        """Put back what the method changed around it, and check the rest.

        Args:
            number: The epoch.
            row: Its line of rounds.jsonl, to which the method may have added.

        Raises:
            FedgroupError: The method changed the model, or the line holds what JSON cannot.
        """
        self._surroundings.restore(self.who)
        if self._now() != self._versions:
            raise FedgroupError(
                f"{self.who} changed the model's parameters after epoch {number}, whose numbers "
                f"were recorded without that: change a copy, or train with an objective of its own"
            )
        checked_plain(self.who, row, "rounds.jsonl")

    def selection(self, mask: Bools, samples: int) -> None:
        """Refuse a selection that is no mask over `samples` samples."""
        wanted = f"({samples},) bool"
        if described(mask) != wanted:
            raise FedgroupError(
                f"{self.who} recorded a selection {described(mask)}, expected {wanted}"
            )

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Refuse facts about a selection that JSON cannot hold."""
        checked_plain(self.who, facts, "selections.jsonl")

    def _now(self) -> list[int]:
        """Return how often each parameter has been written to."""
        return [parameter._version for parameter in self._model.parameters()]
