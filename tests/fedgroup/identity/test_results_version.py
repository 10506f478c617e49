"""Results of equal settings change only where a results version is raised with them.

`python -m tests.fedgroup.identity.test_results_version` writes the numbers of today, with the versions, after
a version was raised. They are compared with a tolerance of 1e-3 of their size, so that another
release of torch on the same kind of processor passes; on another kind they are not compared.
"""

import importlib
import json
import platform
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.identity.run_identity import versions_of
from tests.fedgroup.tiny_results import FAMILIES
from tests.paths import ROOT

FILE = ROOT / "tests" / "cases" / "results_version.json"
STORED: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
TOLERANCE = 1e-3


PICTURES = {
    "fedgroup.data.synthbirds": "GENERATOR_VERSION",
    "fedgroup.data.fashion": "GENERATOR_VERSION",
    "fedgroup.data.listing": "DECODER_VERSION",
}
"""Where the version names a bank of pictures too."""


def version(family: str) -> Any:
    """The versions of a family: 1 where nothing was raised."""
    if family in PICTURES:
        return getattr(importlib.import_module(family), PICTURES[family])
    return versions_of(family)


def remedy(family: str) -> str:
    """What to do where numbers changed."""
    if family in PICTURES:
        return f"raise {PICTURES[family]} in {family.replace('.', '/')}.py"
    return f"raise results_version of {family} in fedgroup/identity/results_version.py"


def differing(stored: dict[str, list[float]], now: dict[str, list[float]]) -> list[str]:
    """Names of the numbers that are not what they were."""

    def same(name: str) -> bool:
        one, two = np.array(stored.get(name, [])), np.array(now.get(name, []))
        size = max(1e-3, float(np.abs(one).max(initial=0)))
        return one.shape == two.shape and bool(np.all(np.abs(one - two) <= TOLERANCE * size))

    return [name for name in {**stored, **now} if not same(name)]


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_settings_give_the_numbers_of_their_version(
    family: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if platform.machine() != STORED["machine"]:
        pytest.skip(f"the numbers are those of {STORED['machine']}")
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path))
    stored = STORED["families"][family]
    assert stored["version"] == version(family), (
        f"the version of {family} was raised: write the numbers of today with "
        f"python -m tests.fedgroup.identity.test_results_version"
    )
    changed = differing(stored["numbers"], FAMILIES[family]())
    assert not changed, f"{', '.join(changed)} changed: {remedy(family)}"


def test_a_change_is_noticed_and_noise_is_not() -> None:
    stored = {"a": [1.0, 2.0], "b": [0.0]}
    assert differing(stored, {"a": [1.0, 2.0 + 1e-6], "b": [1e-9]}) == []
    assert differing(stored, {"a": [1.0, 2.01], "b": [0.0]}) == ["a"]
    assert differing(stored, {"a": [1.0], "c": [1.0], "b": [0.0]}) == ["a", "c"]


def test_every_family_has_numbers() -> None:
    assert set(STORED["families"]) == set(FAMILIES)


if __name__ == "__main__":
    import os
    import tempfile

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FEDGROUP_CACHE"] = cache
        families = {
            name: {"version": version(name), "numbers": run()} for name, run in FAMILIES.items()
        }
    text = json.dumps({"machine": platform.machine(), "families": families}, separators=(",", ":"))
    FILE.write_text(text.replace("},", "},\n") + "\n")
