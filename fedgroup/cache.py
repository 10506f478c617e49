"""Results of long stages on disk, named by the hash of everything that they depend on."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.storage import cache_dir

FORMAT = 1
"""Raised when equal settings would no longer give equal results."""

_HASHED = 256


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
