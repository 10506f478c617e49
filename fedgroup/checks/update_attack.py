"""Checks of an attack on updates (fedgroup.attacks.updates.update_attack.UpdateAttack)."""

from collections.abc import Callable, Iterator

import numpy as np

from fedgroup.attacks.updates.update_attack import State, UpdateAttack, Vector
from fedgroup.checks.runner import (
    Answer,
    answers,
    frozen_settings,
    nonsense_refused,
    surroundings_kept,
)
from fedgroup.guards.component_results import checked_state
from fedgroup.seeding import rng

SIZE = 500
"""Parameters of a delta."""
ATTACKERS, HONEST = 3, 7
"""Clients of a round."""


def _round(number: int) -> tuple[list[Vector], list[Vector]]:
    """Return deltas of the attackers and of the honest clients; none can be written to."""
    generator = rng(0, "contract", number)
    deltas = [generator.normal(0, 0.1, SIZE).astype(np.float32) for _ in range(ATTACKERS + HONEST)]
    for delta in deltas:
        delta.setflags(write=False)
    return deltas[:ATTACKERS], deltas[ATTACKERS:]


def _forge(attack: UpdateAttack, state: State, number: int = 0) -> tuple[list[Vector], State]:
    own, honest = _round(number)
    ids = list(range(ATTACKERS, ATTACKERS + HONEST))
    forged, new = attack.forge(state, own, honest, rng(0, "forge", number), ids)
    return forged, new


def _copy(state: State) -> State:
    return {name: array.copy() for name, array in state.items()}


def shape_and_dtype(attack: UpdateAttack) -> None:
    """Require one float32 delta (P,) per attacker of forge(), and a state of named arrays."""
    state = attack.init(SIZE)
    forged, new = _forge(attack, state)
    assert len(forged) == ATTACKERS, (
        f"{len(forged)} deltas for {ATTACKERS} attackers: give one for each"
    )
    for number, delta in enumerate(forged):
        assert delta.shape == (SIZE,), f"delta {number} has shape {delta.shape}, expected ({SIZE},)"
        assert delta.dtype == np.float32, f"delta {number} is {delta.dtype}: give float32"
    for each in (state, new):
        assert isinstance(each, dict), (
            f"the state is {type(each).__name__}: give a dict of named arrays"
        )
        wrong = [
            name for name, value in each.items() if not isinstance(value, np.ndarray | np.generic)
        ]
        assert not wrong, f"state {', '.join(wrong)} is no array: give named numpy arrays"
        checked_state("the attack", each)


def inputs_untouched(attack: UpdateAttack) -> None:
    """Require that nothing passed in is written to, the state included."""
    state = attack.init(SIZE)
    before = _copy(state)
    try:
        _forge(attack, state)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise AssertionError("a delta that was passed in is written to: make a new array") from None
    changed = [name for name in before if not np.array_equal(state[name], before[name])]
    assert not changed, f"state {', '.join(changed)} was written to: return a new array"


def seeds_repeat(attack: UpdateAttack) -> None:
    """Require that equal arguments give equal bits."""
    one, two = (_forge(attack, attack.init(SIZE))[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)), (
        "two equal calls differ: draw from the generator that is passed in"
    )


def explicit_state(attack: UpdateAttack) -> None:
    """Require that interleaved runs do not meet, and that a copied state continues exactly."""
    alone = []
    for first in (0, 10):
        state = attack.init(SIZE)
        for number in (first, first + 1):
            forged, state = _forge(attack, state, number)
        alone.append(forged)
    states = [attack.init(SIZE), attack.init(SIZE)]
    last: list[list[Vector]] = [[], []]
    for step in range(2):
        for run, first in enumerate((0, 10)):
            last[run], states[run] = _forge(attack, _copy(states[run]), first + step)
    for run in range(2):
        assert all(np.array_equal(a, b) for a, b in zip(last[run], alone[run], strict=True)), (
            "two runs side by side disturb each other: keep what you remember in the state"
        )


def no_attackers(attack: UpdateAttack) -> None:
    """Require no deltas and the same state of a round without attackers."""
    state = attack.init(SIZE)
    before = _copy(state)
    forged, new = attack.forge(state, [], _round(0)[1], rng(0, "forge", 0), list(range(HONEST)))
    assert list(forged) == [], (
        f"{len(forged)} deltas for no attackers: return [] and the state as it is"
    )
    equal = set(new) == set(before) and all(
        np.array_equal(new[name], before[name]) for name in before
    )
    assert equal, "the state changed in a round without attackers: return it as it is"


def settings_are_checked(attack: UpdateAttack) -> None:
    """Require that a setting which is not a number is refused, when it is set or used."""
    nonsense_refused(attack, lambda changed: _forge(changed, changed.init(SIZE)))


def surroundings_stay(attack: UpdateAttack) -> None:
    """Require that it leaves the process as it is: threads, handlers, random streams, folder."""
    surroundings_kept(attack, lambda used: _forge(used, used.init(SIZE)))


CHECKS: tuple[Callable[[UpdateAttack], None], ...] = (
    frozen_settings,
    shape_and_dtype,
    inputs_untouched,
    seeds_repeat,
    explicit_state,
    no_attackers,
    settings_are_checked,
    surroundings_stay,
)


def check_update_attack(attack: UpdateAttack) -> Iterator[Answer]:
    """Run every check on an attack on updates; yield an answer each."""
    return answers(attack, CHECKS)
