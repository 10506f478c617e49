"""Calls of an aggregation rule: what it is given cannot be written to, what it returns is checked.

Nothing is copied on the way in; what is wrong on the way out is said with the rule's name first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.guards.component_results import (
    checked_shares,
    checked_state,
    checked_vector,
    described,
    read_only,
)
from fedgroup.guards.surroundings import component_call, name_of
from strategies.aggregator import Aggregator, State, TellsInfluence, Vector
from strategies.server.admission import finite

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RuleCalls:
    """A rule as the server calls it."""

    rule: Aggregator
    seed: int
    """Seed of the task: what a rule draws from the global random streams depends on it alone."""

    def init(self, theta: Vector) -> State:
        """Return the state before the first round, checked."""
        with component_call(self.rule, "init", self.seed):
            state = self.rule.init(read_only(theta))
        return checked_state(name_of(self.rule, "init"), state)

    def step(
        self,
        number: int,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: Floats,
    ) -> tuple[Vector, State]:
        """Aggregate a round.

        Args:
            number: The round.
            state: The rule's state.
            theta: Global parameters before the round, (D,) float32.
            clients: Parameters of the N clients, (D,) float32 each.
            weights: Training samples of each client, (N,).

        Returns:
            The new parameters, which share no memory with the arguments, and the new state.

        Raises:
            FedgroupError: The rule raised, wrote into its arguments, or returned something else
                than finite float32 parameters of the same shape and a state of named arrays.
        """
        who, note = name_of(self.rule, "step"), f" (round {number})"
        given = {name: read_only(array) for name, array in state.items()}
        try:
            with component_call(self.rule, "step", self.seed, number):
                answer = self.rule.step(
                    given, read_only(theta), [read_only(c) for c in clients], read_only(weights)
                )
        except FedgroupError as error:
            raise FedgroupError(f"round {number}: {error}") from error
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise FedgroupError(
                f"{who} returned {described(answer)}, expected the parameters and the state{note}"
            )
        new: Vector = checked_vector(who, answer[0], len(theta), note)
        if not finite(new):
            raise FedgroupError(
                f"{who} returned {int((~np.isfinite(new)).sum())} NaN or infinite values, those of "
                f"every admitted client are finite{note}"
            )
        if any(np.may_share_memory(new, array) for array in (theta, *clients)):
            new = new.copy()
        return new, checked_state(who, answer[1], note)

    def influence(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: Floats, new: Vector
    ) -> Floats | None:
        """Ask the rule how much each client decided (see `TellsInfluence`).

        Args:
            state: Its state before the step.
            theta: Global parameters before the step, (D,) float32.
            clients: Parameters of the N clients, (D,) float32 each.
            weights: Training samples of each client, (N,).
            new: Global parameters after the step, (D,) float32.

        Returns:
            Shares (N,) that sum to 1, or are all 0; None where the rule cannot say.
        """
        if not isinstance(self.rule, TellsInfluence):
            return None
        given = {name: read_only(array) for name, array in state.items()}
        with component_call(self.rule, "influence", self.seed):
            shares = self.rule.influence(
                given,
                read_only(theta),
                [read_only(c) for c in clients],
                read_only(weights),
                read_only(new),
            )
        if shares is None:
            return None
        return checked_shares(name_of(self.rule, "influence"), shares, len(clients))
