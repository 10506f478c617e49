"""Clusters of one class: a mixture model, their number chosen by silhouette.

Sohoni et al. (NeurIPS 2020), section 4.1; how silhouettes are averaged and ties go follows their
code.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.methods.clustering.silhouette import macro, silhouettes

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Ints]
Model = Literal["gmm", "kmeans"]


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture of k clusters."""

    predict: Predict
    """Cluster 0..k-1 of points (n, d), (n,) int64."""
    k: int
    """Number of clusters asked for; a Gaussian mixture may leave some empty."""
    scores: Mapping[int, float]
    """Macro silhouette of each k that was tried; empty where k was fixed."""


def fit_mixture(points: Floats, model: Model, k: int, restarts: int, seed: int) -> Mixture:
    """Fit a mixture: the best of several starts by the model's own criterion.

    Args:
        points: What is clustered, (n, d).
        model: gmm is a full-covariance Gaussian mixture started from k-means; both have
            scikit-learn's default limits, and that a fit stops at them is not reported.
        k: Clusters, 1 to n.
        restarts: Starts.
        seed: Seed of the starts.

    Returns:
        The mixture, the same on any number of cores.

    Raises:
        FedgroupError: where k is out of range.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    if not 1 <= k <= len(points):
        raise FedgroupError(
            f"cannot form {k} clusters of {len(points)} samples: choose 1..{len(points)}"
        )
    if model == "gmm":
        fitted = GaussianMixture(k, n_init=restarts, random_state=seed)
    else:
        fitted = KMeans(k, n_init=restarts, random_state=seed)
    with warnings.catch_warnings(), threadpool_limits(1):  # the same sums on any number of cores
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(points)
    return Mixture(lambda rows: np.asarray(fitted.predict(rows), np.int64), k, {})


def choose_mixture(
    points: Floats, model: Model, largest_k: int, restarts: int, seed: int
) -> Mixture:
    """Fit k = 2, 3, ... and keep the highest macro silhouette, the larger k on ties.

    k stops below the number of samples and at the number of distinct points; a k whose points all
    fall into one cluster has no silhouette and is left out.

    Args:
        points: What is clustered, (n, d).
        model: gmm or kmeans, as for `fit_mixture`.
        largest_k: Largest number of clusters to try.
        restarts: Starts of each fit.
        seed: Seed of the starts.

    Returns:
        The best mixture, with the score of each k.

    Raises:
        FedgroupError: where no k gives two clusters.
    """
    distinct = len(np.unique(points, axis=0))
    tried = [
        fit_mixture(points, model, k, restarts, seed)
        for k in range(2, min(largest_k, len(points) - 1, distinct) + 1)
    ]
    labels = [mixture.predict(points) for mixture in tried]
    split = [i for i, ids in enumerate(labels) if len(np.unique(ids)) > 1]
    if not split:
        raise FedgroupError(
            f"{len(points)} samples with {distinct} distinct features do not form two clusters: "
            f"the features have collapsed (train longer or regularise less), or fix k to 1"
        )
    values = silhouettes(points, [labels[i] for i in split])
    scores = {tried[i].k: macro(value, labels[i]) for i, value in zip(split, values, strict=True)}
    best = max(scores, key=lambda k: (scores[k], k))
    return Mixture(next(mixture.predict for mixture in tried if mixture.k == best), best, scores)
