"""Every random number has an address: the seed and the words that say what it is for.

`rng(seed, "cohort")` and `rng(seed, "local", round, client)` are independent streams, and adding a
new address changes no other. No global generator is read or written anywhere in the project.
"""

import hashlib

import numpy as np

Address = str | int
"""One word of an address."""


def _entropy(seed: int, address: tuple[Address, ...]) -> int:
    # repr keeps "1" and 1 apart; the separator is in no repr of an int or of a quoted string
    text = "\x1f".join([repr(int(seed)), *(repr(part) for part in address)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def rng(seed: int, *address: Address) -> np.random.Generator:
    """Return the numpy generator at `address` under `seed`; equal arguments give equal streams."""
    return np.random.Generator(np.random.PCG64(_entropy(seed, address)))


def torch_seed(seed: int, *address: Address) -> int:
    """Return the 63-bit integer seed for a torch generator at `address` under `seed`."""
    return _entropy(seed, address) & (2**63 - 1)
