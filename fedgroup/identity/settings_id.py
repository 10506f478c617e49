"""The hash of settings: what a run is named by where settings say all."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from fedgroup.spec import to_dict

SPEC_VERSION = 1
"""Part of every run id; raised when equal settings would no longer mean equal runs."""


def settings_id(parts: Mapping[str, Any], leave_out: Iterable[str] = ()) -> str:
    """Return 12 hex digits of the hash of settings that are not defaults.

    Leaving defaults out means that a new setting renames no old run; the stored full spec is
    compared where a run is read or resumed, so that a changed default is noticed.

    Args:
        parts: Dataclasses of settings by name.
        leave_out: Dotted paths of settings that do not count.
    """
    full = {name: to_dict(part, defaults=False) for name, part in parts.items() if part is not None}
    sparse = without(full, leave_out)
    text = json.dumps({"version": SPEC_VERSION, **sparse}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def without(settings: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return nested settings without those at some dotted paths."""
    out = dict(settings)
    for path in paths:
        head, _, rest = path.partition(".")
        if rest and isinstance(out.get(head), Mapping):
            out[head] = without(out[head], [rest])
        elif not rest:
            out.pop(head, None)
    return out
