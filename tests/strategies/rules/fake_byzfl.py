"""ByzFL as it is documented (0.0.11): every (pre-)aggregator, written from its equation.

None of ByzFL's own code: what the adapter must cope with is the interface (constructor arguments,
refusals, what an instance keeps between calls, random numbers from numpy's global stream).
"""

import itertools
from typing import Any

import numpy as np


class _Tolerant:
    """What tolerates f of n."""

    def __init__(self, f: int = 0) -> None:
        if not isinstance(f, int) or f < 0:
            raise ValueError("f must be a non-negative integer")
        self.f = f

    def check(self, count: int) -> None:
        if 2 * self.f >= count:
            raise ValueError(f"Cannot tolerate 2f >= n. Got f={self.f}, n={count}")


class Average:
    def __call__(self, vectors: Any) -> Any:
        return vectors.mean(0)


class Median:
    def __call__(self, vectors: Any) -> Any:
        return np.median(vectors, 0)


class TrMean(_Tolerant):
    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))
        return np.sort(vectors, 0)[self.f : len(vectors) - self.f].mean(0)


class GeometricMedian:
    def __init__(self, nu: float = 0.1, T: int = 3) -> None:
        if not isinstance(nu, float):
            raise TypeError("nu must be a float")
        self.nu, self.T = nu, T

    def __call__(self, vectors: Any) -> Any:
        z = np.zeros_like(vectors[0])
        for _ in range(self.T):
            weights = 1 / np.maximum(self.nu, np.linalg.norm(vectors - z, axis=1))
            z = (weights[:, None] * vectors).sum(0) / weights.sum()
        return z


class Krum(_Tolerant):
    selected = 1

    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))
        distances = ((vectors[:, None] - vectors[None]) ** 2).sum(-1)
        scores = np.sort(distances, 1)[:, 1 : len(vectors) - self.f].sum(1)
        return vectors[np.argsort(scores)[: self.count(len(vectors))]].mean(0)

    def count(self, clients: int) -> int:
        return 1


class MultiKrum(Krum):
    def count(self, clients: int) -> int:
        return clients - self.f


class CenteredClipping:
    """Goes on from the output of the call before: state in `m`."""

    def __init__(self, m: Any = None, L: int = 1, tau: float = 100.0) -> None:
        self.m, self.L, self.tau = m, L, tau

    def __call__(self, vectors: Any) -> Any:
        v = np.zeros_like(vectors[0]) if self.m is None else self.m
        for _ in range(self.L):
            gaps = vectors - v
            factors = np.minimum(1, self.tau / np.linalg.norm(gaps, axis=1))
            v = v + (gaps * factors[:, None]).mean(0)
        self.m = v
        return v


class MDA(_Tolerant):
    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))
        distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
        chosen = min(
            itertools.combinations(range(len(vectors)), len(vectors) - self.f),
            key=lambda members: distances[np.ix_(members, members)].max(),
        )
        return vectors[list(chosen)].mean(0)


class MoNNA(_Tolerant):
    def __init__(self, f: int = 0, idx: int = 0) -> None:
        super().__init__(f)
        self.idx = idx

    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))
        distances = np.linalg.norm(vectors - vectors[self.idx], axis=1)
        return vectors[np.argsort(distances)[: len(vectors) - self.f]].mean(0)


class Meamed(_Tolerant):
    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))
        order = np.argsort(np.abs(vectors - np.median(vectors, 0)), 0)
        return np.take_along_axis(vectors, order[: len(vectors) - self.f], 0).mean(0)


class CAF(_Tolerant):
    """Its power iteration starts at a random vector, float64."""

    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))
        weights = np.ones(len(vectors))
        while weights.sum() > len(vectors) - 2 * self.f:
            centre = weights @ vectors / weights.sum()
            gaps = vectors - centre
            direction = np.random.randn(vectors.shape[1])  # noqa: NPY002
            for _ in range(20):
                direction = gaps.T @ (weights * (gaps @ direction))
                direction /= np.linalg.norm(direction)
            along = (gaps @ direction) ** 2
            weights = weights * (1 - along / along.max())
        return weights @ vectors / weights.sum()


class SMEA(_Tolerant):
    def __call__(self, vectors: Any) -> Any:
        self.check(len(vectors))

        def spread(members: Any) -> float:
            chosen = vectors[list(members)]
            return float(np.linalg.norm(chosen - chosen.mean(0), 2))

        every = itertools.combinations(range(len(vectors)), len(vectors) - self.f)
        return vectors[list(min(every, key=spread))].mean(0)


class NNM(_Tolerant):
    def __call__(self, vectors: Any) -> Any:
        distances = ((vectors[:, None] - vectors[None]) ** 2).sum(-1)
        near = np.argsort(distances, 1)[:, : len(vectors) - self.f]
        return vectors[near].mean(1)


class Bucketing:
    """Its permutation comes from numpy's global stream."""

    def __init__(self, s: int = 1) -> None:
        self.s = s

    def __call__(self, vectors: Any) -> Any:
        mixed = np.random.permutation(vectors)  # noqa: NPY002
        return np.array([mixed[i : i + self.s].mean(0) for i in range(0, len(mixed), self.s)])


class Clipping:
    def __init__(self, c: float = 2.0) -> None:
        self.c = c

    def __call__(self, vectors: Any) -> Any:
        return vectors * np.minimum(1, self.c / np.linalg.norm(vectors, axis=1))[:, None]


class ARC(_Tolerant):
    def __call__(self, vectors: Any) -> Any:
        lengths = np.linalg.norm(vectors, axis=1)
        cut = int(2 * self.f / len(vectors) * (len(vectors) - self.f))
        bound = np.sort(lengths)[::-1][cut]
        return vectors * np.minimum(1, bound / lengths)[:, None]


class Columns:
    """No class of ByzFL: returns a matrix."""

    def __call__(self, vectors: Any) -> Any:
        return vectors


class Rounded:
    """No class of ByzFL: returns integers."""

    def __call__(self, vectors: Any) -> Any:
        return np.rint(vectors.mean(0)).astype(np.int64)


AGGREGATORS = (
    *(Average, Median, TrMean, GeometricMedian, Krum, MultiKrum),
    *(CenteredClipping, MDA, MoNNA, Meamed, CAF, SMEA),
)
PRE_AGGREGATORS = (NNM, Bucketing, Clipping, ARC)
