"""Every random number has an address: the seed and the words that say what it is for.

`rng(seed, "cohort")` and `rng(seed, "local", round, client)` are independent streams, and adding a
new address changes no other. The project itself draws from no global generator; where the code of
somebody else runs (a model with dropout, a transform), `global_streams` seeds torch's, numpy's and
Python's by address and puts them back afterwards.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

Address = str | int
"""One word of an address."""
_WORDS = 624
"""Words of the state of numpy's and Python's global streams."""


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


def entropy_of(generator: np.random.Generator) -> int:
    """Return what a generator was seeded with, however much of its stream has been drawn."""
    sequence: Any = generator.bit_generator.seed_seq
    return int(hashlib.sha256(repr(sequence.entropy).encode()).hexdigest()[:16], 16)


@contextmanager
def global_streams(seed: int, *address: Address) -> Iterator[None]:
    """Seed the global streams of torch, numpy and Python at an address; restore them afterwards.

    Code that draws from them gets the same numbers in every process and after a resume, and what is
    drawn in the block changes nothing outside it.

    Args:
        seed: Seed of the run.
        address: What the block is for.
    """
    before = global_state()
    start = torch_seed(seed, "global", *address)
    torch.default_generator.manual_seed(start)
    if _has_gpu():
        torch.cuda.manual_seed_all(start)
    # a Mersenne Twister's whole state, drawn from the address: its own seeding is slower
    key = np.frombuffer(hashlib.shake_256(str(start).encode()).digest(4 * _WORDS), np.uint32)
    np.random.set_state(("MT19937", key, _WORDS, 0, 0.0))  # noqa: NPY002
    random.setstate((3, (*key.tolist(), _WORDS), None))
    try:
        yield
    finally:
        restore_global_state(before)


GlobalState = tuple[torch.Tensor, list[torch.Tensor], Any, Any]
"""Where the global streams stand: torch on the CPU, on every GPU, numpy, Python."""


def global_state() -> GlobalState:
    """Return where the global streams stand."""
    gpus = torch.cuda.get_rng_state_all() if _has_gpu() else []
    legacy = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state(), gpus, legacy, random.getstate()


def _has_gpu() -> bool:
    """Return whether CUDA is in use in this process."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def restore_global_state(state: GlobalState) -> None:
    """Put the global streams back where `state` says."""
    cpu, gpus, legacy, plain = state
    torch.set_rng_state(cpu)
    if gpus:
        torch.cuda.set_rng_state_all(gpus)
    np.random.set_state(legacy)  # noqa: NPY002
    random.setstate(plain)


def changed_streams(before: GlobalState) -> list[str]:
    """Return the names of the global streams that no longer stand where `before` says."""
    now = global_state()
    gpus = len(before[1]) == len(now[1]) and all(map(torch.equal, before[1], now[1]))
    same = {
        "torch": torch.equal(before[0], now[0]) and (gpus or not before[1]),
        "numpy": before[2][2] == now[2][2] and np.array_equal(before[2][1], now[2][1]),
        "random": before[3] == now[3],
    }
    return [name for name, equal in same.items() if not equal]
