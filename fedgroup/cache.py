"""Results of long stages on disk, named by the hash of everything that they depend on."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.identity.run_identity import beyond_settings
from fedgroup.spec import to_dict
from fedgroup.storage import cache_dir

FORMAT = 1
"""Raised when equal settings would no longer give equal results."""

_LATER = {"proximal_mu": 0.0}
"""Settings that are newer than FORMAT, and the value at which they change nothing."""
_HASHED = 256


def key_settings(component: Any) -> dict[str, Any]:
    """Return settings for a key: without newer ones that change nothing, so that old keys stay.

    With them stands what the component depends on besides: code, files, results versions.
    """
    return _without_later(to_dict(component)) | beyond_settings(component)


def _without_later(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_later(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in _LATER or value != _LATER[name]
    }


def path_for(kind: str, parts: Mapping[str, Any]) -> Path:
    """Return cache_dir()/attacks/KIND-HASH.npz, the hash taken over JSON-able `parts`."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, separators=(",", ":"))
    return cache_dir() / "attacks" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"


def fingerprint(data: GroupedDataset) -> str:
    """Return 16 hex digits of a view's pixels, labels, groups and normalisation, in order."""
    digest = hashlib.sha256(json.dumps([data.info.mean, data.info.std, *data.size]).encode())
    for column in (data.y, data.group):
        digest.update(np.ascontiguousarray(column).tobytes())
    for start in range(0, len(data), _HASHED):
        positions: Ints = np.arange(start, min(start + _HASHED, len(data)))
        digest.update(data.pixels(positions).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
