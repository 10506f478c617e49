"""State of a run between rounds, in memory and in its file."""

from pathlib import Path

import numpy as np
import pytest

from fedgroup.checkpoint import Checkpoint
from fedgroup.errors import FedgroupError
from fedgroup.run_directory import open_run
from tests.fedgroup.test_run_directory import SPEC, fill


def test_parts_of_a_checkpoint():
    arrays = {
        name: np.array(i) for i, name in enumerate(["theta", "state.m", "state.a.b", "forger.m"])
    }
    found = Checkpoint(2, arrays, {})
    assert found.part("state") == {"m": 1, "a.b": 2}
    assert found.part("forger") == {"m": 3}
    assert found.part("stat") == {}


def test_checkpoint_holds_arrays_and_facts(tmp_path: Path) -> None:
    fill(tmp_path / "run", range(3))
    with open_run(tmp_path / "run", SPEC) as run:
        found = run.resume()
        assert found is not None
        assert (found.round, found.facts) == (2, {"best": 2})
        assert found.arrays["theta"].tolist() == [2, 2, 2]
        assert found.arrays["theta"].dtype == np.float32


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "run", range(2))
    path = tmp_path / "run" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:100])
    with (
        open_run(tmp_path / "run", SPEC) as run,
        pytest.raises(FedgroupError, match="damaged.*delete"),
    ):
        run.resume()
