"""Comparator networks: which minima and maxima give the wanted ranks of n values.

A network is a list of comparators (i, j), i < j: wire i keeps the smaller value, wire j the larger.
`program` prunes a sorting network backwards from the wanted ranks and assigns scratch registers, so
that the kernels only run elementwise minima and maxima over chunks. Exact for every input; a NaN on
any wire reaches every wanted rank, because each rank depends on all wires and min and max pass NaN
on.

Sources: the 29-comparator network for 10 wires is size-optimal (Waksman 1969; Codish et al. 2014);
all others are Batcher's merge exchange (Knuth, TAOCP vol. 3, 5.2.2, algorithm M).
"""

from dataclasses import dataclass
from functools import lru_cache

MAX_WIRES = 64
"""Above this, a chunked sort is as fast as a network."""

_TEN = (
    ((0, 8), (1, 9), (2, 7), (3, 5), (4, 6)),
    ((0, 2), (1, 4), (5, 8), (7, 9)),
    ((0, 3), (2, 4), (5, 7), (6, 9)),
    ((0, 1), (3, 6), (8, 9)),
    ((1, 5), (2, 3), (4, 8), (6, 7)),
    ((1, 2), (3, 5), (4, 6), (7, 8)),
    ((2, 3), (4, 5), (6, 7)),
    ((3, 4), (5, 6)),
)


@dataclass(frozen=True)
class Program:
    """Straight-line code over operands."""

    inputs: int
    """Operands 0..inputs-1 are the inputs."""
    registers: int
    """Operand inputs + r is scratch register r."""
    steps: tuple[tuple[bool, int, int, int], ...]
    """(is maximum, operand, operand, target operand); a target may be one of the operands."""
    outputs: tuple[int, ...]
    """Operand that holds each wanted rank, in the order asked."""


def comparators(wires: int) -> list[tuple[int, int]]:
    """Return comparators that sort `wires` values ascending."""
    if wires == 10:
        return [pair for layer in _TEN for pair in layer]
    pairs: list[tuple[int, int]] = []
    top = 1 << max(0, (wires - 1).bit_length() - 1)
    p = top if wires > 1 else 0
    while p:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(wires - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


def prune(
    pairs: list[tuple[int, int]], ranks: tuple[int, ...]
) -> list[tuple[int, int, bool, bool]]:
    """Keep what the wanted ranks depend on: (i, j, minimum is needed, maximum is needed)."""
    needed = set(ranks)
    kept: list[tuple[int, int, bool, bool]] = []
    for i, j in reversed(pairs):
        low, high = i in needed, j in needed
        if low or high:
            kept.append((i, j, low, high))
            needed |= {i, j}
    return kept[::-1]


@lru_cache(maxsize=256)
def program(wires: int, ranks: tuple[int, ...]) -> Program:
    """Compile the selection of `ranks` (0 = smallest) among `wires` values; cached."""
    where = list(range(wires))
    free: list[int] = []
    registers = 0
    steps: list[tuple[bool, int, int, int]] = []

    def take() -> int:
        nonlocal registers
        if free:
            return free.pop()
        registers += 1
        return wires + registers - 1

    for i, j, low, high in prune(comparators(wires), ranks):
        a, b = where[i], where[j]
        spare = [operand for operand in (a, b) if operand >= wires]
        if low and high:
            where[i] = take()
            steps.append((False, a, b, where[i]))
        last = spare.pop() if spare else take()
        steps.append((high, a, b, last))
        where[j if high else i] = last
        free += spare
    return Program(wires, registers, tuple(steps), tuple(where[rank] for rank in ranks))
