"""Deltas of the parity cases and of random clients, and one call of an attack."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.seeding import rng
from tests.fedgroup.attacks.samples import cases

CASE = cases()["updates"]
HONEST = [np.array(row, np.float32) for row in CASE["honest"]]
OWN = [np.array(row, np.float32) for row in ([1, 1, 1], [0, 2, 0], [-1, 0, 3])]


def forge(
    attack: Any, own: Any = OWN, honest: Any = HONEST, seed: int = 0
) -> list[NDArray[np.float32]]:
    return attack.forge(attack.init(len(own[0])), own, honest, rng(seed))[0]  # type: ignore[no-any-return]


def clients(count: int, size: int, seed: int = 0) -> list[NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    common = generator.standard_normal(size)
    return [(common + generator.standard_normal(size)).astype(np.float32) for _ in range(count)]
