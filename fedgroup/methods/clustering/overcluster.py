"""GEORGE's overclustering: every cluster is split, and only tight, hard and large parts stay apart.

Sohoni et al. (NeurIPS 2020), section 4.1, in the details of their code. A sub-cluster has the raw
id factor*i + j, for part j of base cluster i.
"""

from collections.abc import Collection

import numpy as np

from fedgroup.dataset import Ints
from fedgroup.methods.clustering.mixture import Floats, Mixture, Model, Predict, fit_mixture
from fedgroup.methods.clustering.silhouette import silhouettes

LEAST = 25
"""Training and validation samples that a sub-cluster must have to stay apart."""
LEAST_SHARE = 0.005
"""Share of the class's training samples that it must have."""


def overcluster(
    base: Mixture,
    factor: int,
    points: Floats,
    losses: Floats,
    val: Floats,
    model: Model,
    restarts: int,
    seed: int,
) -> Mixture:
    """Split every cluster of a class and keep the parts that deserve an id of their own.

    Args:
        base: Clusters of the class.
        factor: Parts of each cluster.
        points: Training samples of the class, (n, d).
        losses: Losses of the identification model on them, (n,).
        val: Validation samples of the class, (m, d).
        model: gmm or kmeans, as for `fit_mixture`.
        restarts: Starts of each fit.
        seed: Seed of the starts.

    Returns:
        The final clusters: for each base cluster the rest, then its kept parts.
    """
    labels = base.predict(points)
    parts = [_split(points[labels == i], factor, model, restarts, seed) for i in range(base.k)]
    raw = _raw(points, base.predict, parts, factor)
    on_val = np.zeros(base.k * factor, np.int64)
    if len(val):
        on_val = np.bincount(_raw(val, base.predict, parts, factor), minlength=base.k * factor)
    kept = keep(points, labels, raw, factor, losses, on_val)
    final = label_map(kept, base.k, factor)

    def predict(rows: Floats) -> Ints:
        return final[_raw(rows, base.predict, parts, factor)]

    return Mixture(predict, int(final.max()) + 1, base.scores)


def label_map(kept: Collection[int], base: int, factor: int) -> Ints:
    """Return the final id of every raw id: a base cluster's rest first, then its kept parts.

    Where all parts are kept there is no rest, and the base cluster has no id of its own.

    Args:
        kept: Raw ids that stay apart.
        base: Number of base clusters.
        factor: Parts of each.

    Returns:
        Final ids, (base*factor,).
    """
    final = np.empty(base * factor, np.int64)
    following = 0
    for i in range(base):
        raw = range(factor * i, factor * (i + 1))
        rest = [r for r in raw if r not in kept]
        final[rest] = following
        following += bool(rest)
        for r in raw:
            if r in kept:
                final[r] = following
                following += 1
    return final


def keep(
    points: Floats, labels: Ints, raw: Ints, factor: int, losses: Floats, on_val: Ints
) -> list[int]:
    """Return the raw ids that stay apart.

    Their mean silhouette rises by the split, above 0; their mean loss is not below that of their
    base cluster; and they are large enough in training and validation.

    Args:
        points: Training samples of the class, (n, d).
        labels: Their base clusters, (n,).
        raw: Their raw ids, (n,).
        factor: Parts of each base cluster.
        losses: Their losses, (n,).
        on_val: Validation samples per raw id.

    Returns:
        Raw ids in ascending order.
    """
    before, after = _silhouettes(points, labels), _silhouettes(points, raw)
    least = max(LEAST_SHARE * len(points), LEAST)
    kept = []
    for r in np.unique(raw):
        part, whole = raw == r, labels == r // factor
        tighter = after[part].mean() > max(before[part].mean(), 0.0)
        harder = losses[part].mean() >= losses[whole].mean()
        if tighter and harder and part.sum() >= least and on_val[r] >= LEAST:
            kept.append(int(r))
    return kept


def _silhouettes(points: Floats, labels: Ints) -> Floats:
    """Return silhouettes (n,); zeros where there is one cluster only."""
    return silhouettes(points, [labels])[0] if len(np.unique(labels)) > 1 else np.zeros(len(points))


def _split(points: Floats, factor: int, model: Model, restarts: int, seed: int) -> Predict:
    """Return how to predict the parts of one base cluster; one part for too few distinct points."""
    if len(np.unique(points, axis=0)) < factor:
        return lambda rows: np.zeros(len(rows), np.int64)
    return fit_mixture(points, model, factor, restarts, seed).predict


def _raw(rows: Floats, predict: Predict, parts: list[Predict], factor: int) -> Ints:
    """Return the raw ids (n,) of rows (n, d)."""
    labels = predict(rows)
    raw = labels * factor
    for i in np.unique(labels):
        own = labels == i
        raw[own] += parts[i](rows[own])
    return raw
