"""GEORGE's pseudo-groups: clusters of each class's activations.

Step 1 of Sohoni et al. (NeurIPS 2020), section 4.1. Ids are disjoint over classes: those of class 1
follow those of class 0. The paper reproduced here calls the members of the smallest cluster
identified (section 3.1), and moves poisons out of it or into it (section 3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import Bools, Ints
from fedgroup.errors import FedgroupError
from fedgroup.intervene import Case, check_case
from fedgroup.methods.clustering.mixture import Floats, Mixture, choose_mixture, fit_mixture
from fedgroup.methods.clustering.overcluster import overcluster
from fedgroup.methods.clustering.reduction import Reduction, Rows, Transform


@dataclass(frozen=True)
class Clustering:
    """How the samples of each class are clustered; the defaults are GEORGE's for Waterbirds."""

    reduction: Reduction = Reduction()
    """What is clustered."""
    model: Literal["gmm", "kmeans"] = "gmm"
    """Gaussian mixture with full covariances, or k-means."""
    k: int | Literal["auto"] = "auto"
    """Clusters per class; auto tries 2..largest_k and takes the best macro silhouette."""
    largest_k: int = 10
    """Largest number of clusters that auto tries."""
    restarts: int = 3
    """Starts of each fit; the best is kept."""
    overcluster: int = 0
    """Parts into which every cluster is split in search of small hard ones; 0: off (officially
    5)."""

    def __post_init__(self) -> None:
        if self.k != "auto" and self.k < 1:
            raise FedgroupError(f"k must be at least 1 or auto, got {self.k}")
        if self.largest_k < 2 or self.restarts < 1:
            raise FedgroupError(
                f"largest_k {self.largest_k} must be at least 2 and restarts {self.restarts} "
                f"at least 1"
            )
        if self.overcluster < 0 or self.overcluster == 1:
            raise FedgroupError(
                f"overcluster must be 0 (off) or at least 2, got {self.overcluster}"
            )

    def fit(
        self,
        features: Rows,
        y: Ints,
        seed: int,
        weight: Rows | None = None,
        losses: Floats | None = None,
        val: tuple[Rows, Ints] | None = None,
    ) -> "Clusters":
        """Cluster training activations within each class.

        The same arguments give the same clusters on any number of cores.

        Args:
            features: Training activations, (N, D).
            y: Classes, (N,).
            seed: Seed of reductions and starts.
            weight: Weight of the last layer, (2, D), for the reduction hardness.
            losses: Losses of the identification model, (N,), for overclustering.
            val: Activations (M, D) and classes (M,) of validation samples, for overclustering.

        Returns:
            The fitted clusters of every class.

        Raises:
            FedgroupError: where a class has no samples or cannot be clustered, and where
                activations do not fit or are not finite.
        """
        _check(features, y)
        absent = np.flatnonzero(np.bincount(y) == 0)
        if len(absent):
            raise FedgroupError(f"class {absent[0]} has no training samples to cluster")
        parts = []
        for label, transform in enumerate(self.reduction.fit(features, y, weight, seed)):
            points = np.asarray(transform(features[y == label]), np.float64)
            try:
                mixture = self._base(points, seed)
            except FedgroupError as error:
                raise FedgroupError(f"class {label}: {error}") from error
            if self.overcluster:
                own_losses, val_points = _overcluster_inputs(losses, val, y, label, transform)
                mixture = overcluster(
                    mixture,
                    self.overcluster,
                    points,
                    own_losses,
                    val_points,
                    self.model,
                    self.restarts,
                    seed,
                )
            parts.append((transform, mixture))
        return Clusters(tuple(parts))

    def _base(self, points: Floats, seed: int) -> Mixture:
        """Return the clusters of one class, before they are split."""
        if self.k == "auto":
            return choose_mixture(points, self.model, self.largest_k, self.restarts, seed)
        return fit_mixture(points, self.model, self.k, self.restarts, seed)


def _overcluster_inputs(
    losses: Floats | None, val: tuple[Rows, Ints] | None, y: Ints, label: int, transform: Transform
) -> tuple[Floats, Floats]:
    """Return the training losses (n,) and reduced validation rows (m, d) of one class."""
    if losses is None or val is None:
        raise FedgroupError(
            "overcluster needs the losses of the model and the validation activations"
        )
    if losses.shape != y.shape:
        raise FedgroupError(
            f"losses {losses.shape} for {len(y)} samples: give one per training sample"
        )
    _check(*val)
    rows = val[0][val[1] == label]
    points = np.asarray(transform(rows), np.float64) if len(rows) else np.empty((0, 1))
    return losses[y == label], points


@dataclass(frozen=True)
class Clusters:
    """Fitted clusters of every class."""

    parts: tuple[tuple[Transform, Mixture], ...]
    """Reduction and mixture of each class."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of clusters of each class, empty ones included."""
        return tuple(mixture.k for _, mixture in self.parts)

    @property
    def scores(self) -> tuple[Mapping[int, float], ...]:
        """Macro silhouette by k of each class; empty where k was fixed."""
        return tuple(mixture.scores for _, mixture in self.parts)

    def assign(self, features: Rows, y: Ints) -> Ints:
        """Return the cluster of every sample, (N,) int64, by activation (N, D) and true class (N,).

        Refuses a class without training samples.
        """
        _check(features, y)
        if len(y) and y.max() >= len(self.parts):
            raise FedgroupError(f"class {y.max()} was not clustered: the training split lacks it")
        ids = np.empty(len(y), np.int64)
        first = 0
        for label, (transform, mixture) in enumerate(self.parts):
            own = y == label
            if own.any():
                ids[own] = first + mixture.predict(np.asarray(transform(features[own]), np.float64))
            first += mixture.k
        return ids


def _check(features: Rows, y: Ints) -> None:
    """Refuse activations that do not fit the classes or are not finite."""
    if features.ndim != 2 or y.shape != features.shape[:1]:
        raise FedgroupError(
            f"activations {features.shape} and classes {y.shape} do not fit: (N, D) and (N,)"
        )
    bad = np.flatnonzero(~np.isfinite(features).all(1))
    if len(bad):
        raise FedgroupError(
            f"the activations of {len(bad)} samples are not finite (the first is {bad[0]}): "
            f"the identification model has diverged, lower its learning rate"
        )


def compact(ids: Ints) -> tuple[Ints, Ints]:
    """Return ids (N,) renumbered 0..G-1 without gaps, and the old id of each new one, (G,)."""
    old, new = np.unique(ids, return_inverse=True)
    return new.astype(np.int64), old.astype(np.int64)


def smallest(ids: Ints) -> int:
    """Return the id of the non-empty cluster with the fewest of the samples; the lowest on ties."""
    if len(ids) == 0:
        raise FedgroupError("there is no smallest cluster of 0 samples")
    counts = np.bincount(ids)
    return int(np.where(counts > 0, counts, len(ids) + 1).argmin())


def move_between(ids: Ints, y: Ints, poison: Bools, case: Case) -> Ints:
    """Return cluster ids after the paper's intervention (section 3.2).

    Args:
        ids: Cluster of each training sample, (N,).
        y: Classes, (N,).
        poison: Which samples are poisons, (N,).
        case: standard: unchanged. ideal: the poisons of the smallest cluster go to the largest
            other cluster of the same class (lowest id on ties); the cluster may be left empty, so
            `compact` the ids. worst: every poison of that class goes into the smallest cluster.

    Returns:
        New ids, (N,).

    Raises:
        FedgroupError: where the arrays differ in length, or ideal has no other cluster.
    """
    check_case(case)
    if not len(ids) == len(y) == len(poison):
        raise FedgroupError(
            f"{len(ids)} cluster ids, {len(y)} classes and {len(poison)} poison marks differ"
        )
    chosen = smallest(ids)
    label = y[ids == chosen][0]
    moved = ids.copy()
    if case == "worst":
        moved[poison & (y == label)] = chosen
    if case == "ideal":
        others = np.bincount(ids[(y == label) & (ids != chosen)])
        if not others.any():
            raise FedgroupError(
                f"case ideal has nowhere to move poisons: class {label} has one cluster, "
                f"use k of at least 2"
            )
        moved[poison & (ids == chosen)] = others.argmax()
    return moved
