"""What an attack on updates must hold."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fedgroup.attacks.updates.independent import State, Vector
from fedgroup.checks.runner import Answer, Check, answers, frozen_settings, nonsense_refused
from fedgroup.seeding import rng

SIZE = 500
ATTACKERS, HONEST = 3, 7


def _round(number: int) -> tuple[list[Vector], list[Vector]]:
    """Deltas of the attackers and of the honest clients in a round; none can be written to."""
    generator = rng(0, "contract", number)
    made = [generator.normal(0, 0.1, SIZE).astype(np.float32) for _ in range(ATTACKERS + HONEST)]
    for delta in made:
        delta.setflags(write=False)
    return made[:ATTACKERS], made[ATTACKERS:]


def _forge(attack: Any, state: State, number: int = 0) -> tuple[list[Vector], State]:
    own, honest = _round(number)
    ids = list(range(ATTACKERS, ATTACKERS + HONEST))
    forged, new = attack.forge(state, own, honest, rng(0, "forge", number), ids)
    return forged, new


def _copy(state: State) -> State:
    return {name: array.copy() for name, array in state.items()}


def shape_and_dtype(attack: Any) -> None:
    """forge() gives one float32 delta (P,) per attacker, and the state is named arrays."""
    state = attack.init(SIZE)
    forged, new = _forge(attack, state)
    assert len(forged) == ATTACKERS, (
        f"{len(forged)} deltas for {ATTACKERS} attackers: give one for each"
    )
    for number, delta in enumerate(forged):
        assert delta.shape == (SIZE,), f"delta {number} has shape {delta.shape}, expected ({SIZE},)"
        assert delta.dtype == np.float32, f"delta {number} is {delta.dtype}: give float32"
    for given in (state, new):
        assert isinstance(given, dict), (
            f"the state is {type(given).__name__}: give a dict of named arrays"
        )
        wrong = [
            name for name, value in given.items() if not isinstance(value, np.ndarray | np.generic)
        ]
        assert not wrong, f"state {', '.join(wrong)} is no array: give named numpy arrays"


def inputs_untouched(attack: Any) -> None:
    """Nothing that is passed in is written to, the state included."""
    state = attack.init(SIZE)
    held = _copy(state)
    try:
        _forge(attack, state)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise AssertionError("a delta that was passed in is written to: make a new array") from None
    changed = [name for name in held if not np.array_equal(state[name], held[name])]
    assert not changed, f"state {', '.join(changed)} was written to: return a new array"


def seeds_repeat(attack: Any) -> None:
    """Equal arguments give equal bits."""
    one, two = (_forge(attack, attack.init(SIZE))[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)), (
        "two equal calls differ: draw from the generator that is passed in"
    )


def explicit_state(attack: Any) -> None:
    """Two interleaved runs do not meet, and a copied state continues exactly."""
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


def no_attackers(attack: Any) -> None:
    """A round without attackers is left alone: no deltas, and the same state."""
    state = attack.init(SIZE)
    held = _copy(state)
    forged, new = attack.forge(state, [], _round(0)[1], rng(0, "forge", 0), list(range(HONEST)))
    assert list(forged) == [], (
        f"{len(forged)} deltas for no attackers: return [] and the state as it is"
    )
    assert set(new) == set(held) and all(np.array_equal(new[name], held[name]) for name in held), (
        "the state changed in a round without attackers: return it as it is"
    )


def settings_are_checked(attack: Any) -> None:
    """A setting that is not a number is refused, when it is set or when it is used."""
    nonsense_refused(attack, lambda made: _forge(made, made.init(SIZE)))


CHECKS: tuple[Check, ...] = (
    frozen_settings,
    shape_and_dtype,
    inputs_untouched,
    seeds_repeat,
    explicit_state,
    no_attackers,
    settings_are_checked,
)


def check_update_attack(attack: Any) -> Iterator[Answer]:
    """Run every check on an attack on updates."""
    return answers(attack, CHECKS)
