"""What GEORGE clusters: activations brought to few dimensions, class by class.

An activation is the input of the last linear layer in evaluation mode, one row per sample (Sohoni
et al., NeurIPS 2020, section 4.1). `hardness`, the position along the decision normal, is the
setting of their code for Waterbirds.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

Rows = NDArray[np.floating[Any]]
"""Activations, (N, D): a row per sample."""
Transform = Callable[[Rows], Rows]
"""Function from activations (n, D) to reduced ones (n, d)."""

INSTALL = "reduction umap needs an extra package: pip install 'fedgroup[umap]'"


def direction(weight: Rows) -> Rows:
    """Return the unit normal of a binary decision, (D,) float64, towards class 1.

    weight (2, D) is the last layer's; its bias is not used. Refuses other shapes and equal rows.
    """
    if weight.ndim != 2 or len(weight) != 2:
        raise FedgroupError(
            f"reduction hardness needs the last layer of two classes, weight (2, D), "
            f"got {weight.shape}: use none, pca or umap"
        )
    normal = weight[1].astype(np.float64) - weight[0].astype(np.float64)
    length = float(np.linalg.norm(normal))
    if not 0 < length < float("inf"):
        raise FedgroupError(
            f"the last layer has no decision direction (w1 - w0 has length {length}): "
            f"train it first"
        )
    unit: Rows = normal / length
    return unit


def hardness(features: Rows, weight: Rows) -> Rows:
    """Return positions along the decision normal, (N, 1): larger is more class 1.

    Features (N, D) are inputs of the last layer of weight (2, D); the dtype is theirs. Refuses
    features of another width.
    """
    normal = direction(weight)
    if features.ndim != 2 or features.shape[1] != len(normal):
        raise FedgroupError(
            f"features {features.shape} do not fit a last layer of {len(normal)} inputs: "
            f"give its inputs"
        )
    return (features.astype(np.float64) @ normal)[:, None].astype(features.dtype)


@dataclass(frozen=True)
class Reduction:
    """How activations are reduced; the defaults are GEORGE's for Waterbirds."""

    kind: Literal["hardness", "none", "pca", "umap"] = "hardness"
    """hardness: position along the decision normal (two classes); none: the activations
    themselves."""
    components: int = 1
    """Dimensions kept by pca and umap; hardness takes those after its first from umap of the
    rest."""
    normalise: bool = False
    """Divide each activation by its Euclidean length (at least 1e-6) first."""
    centre: bool = False
    """Subtract the mean training activation (over all classes) before that."""

    def __post_init__(self) -> None:
        if self.components < 1:
            raise FedgroupError(f"components must be at least 1, got {self.components}")

    def check_classes(self, classes: int) -> None:
        """Refuse hardness where there are more than two classes, before anything is trained."""
        if self.kind == "hardness" and classes != 2:
            raise FedgroupError(
                f"reduction hardness is a position between two classes, the data have {classes}: "
                f"set method.clustering.reduction.kind to none, pca or umap"
            )

    def fit(self, features: Rows, y: Ints, weight: Rows | None, seed: int) -> list[Transform]:
        """Fit the reduction of every class on training activations.

        Args:
            features: Training activations of all classes, (N, D).
            y: Classes, (N,).
            weight: Weight of the trained last layer, (2, D); needed by hardness only.
            seed: Seed of pca and umap.

        Returns:
            Transforms of classes 0, 1, ...: activations (n, D) to (n, d).
        """
        prepare = _preparation(features, self.centre, self.normalise)
        ready = prepare(features)
        classes = range(int(y.max()) + 1)
        reducers = [self._reducer(ready[y == c], weight, seed, c) for c in classes]
        return [_chained(prepare, reducer) for reducer in reducers]

    def _reducer(self, own: Rows, weight: Rows | None, seed: int, label: int) -> Transform:
        """Return the transform of one class, fitted on its own prepared rows (n, D)."""
        if self.kind == "none":
            return lambda rows: rows
        if self.kind == "pca":
            return _pca(own, self.components, seed, label)
        if self.kind == "umap":
            return _umap(own, self.components, seed)
        if weight is None:
            raise FedgroupError(
                "reduction hardness needs the weight (2, D) of the trained last layer"
            )
        if self.components == 1:
            return lambda rows: hardness(rows, weight)
        rest = _umap(_orthogonal(own, weight), self.components - 1, seed)
        return lambda rows: np.concatenate(
            [hardness(rows, weight), rest(_orthogonal(rows, weight))], 1
        )


def _preparation(features: Rows, centre: bool, normalise: bool) -> Transform:
    """Return what is done to activations before they are reduced."""
    mean = features.mean(0, dtype=np.float64) if centre else None

    def prepare(rows: Rows) -> Rows:
        out = rows if mean is None else (rows - mean).astype(rows.dtype)
        if normalise:
            out = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
        return out

    return prepare


def _chained(first: Transform, second: Transform) -> Transform:
    return lambda rows: second(first(rows))


def _orthogonal(rows: Rows, weight: Rows) -> Rows:
    """Return the part of each row that is orthogonal to the decision normal."""
    return rows - (hardness(rows, weight) * direction(weight)).astype(rows.dtype)


def _pca(own: Rows, components: int, seed: int, label: int) -> Transform:
    from sklearn.decomposition import PCA

    if components > min(own.shape):
        raise FedgroupError(
            f"pca cannot keep {components} components of {own.shape[0]} samples of class {label} "
            f"with {own.shape[1]} features: use at most {min(own.shape)}"
        )
    fitted = PCA(components, random_state=seed).fit(own)
    return lambda rows: np.asarray(fitted.transform(rows))


def _umap(own: Rows, components: int, seed: int) -> Transform:
    try:
        umap = importlib.import_module("umap")
    except ImportError as error:
        raise FedgroupError(INSTALL) from error
    fitted = umap.UMAP(
        n_components=components, n_neighbors=10, min_dist=0.0, random_state=seed, n_jobs=1
    ).fit(own)
    return lambda rows: np.asarray(fitted.transform(rows))
