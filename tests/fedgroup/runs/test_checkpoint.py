"""State of a run between rounds, in memory and in its file."""

from pathlib import Path

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fedgroup.runs.run_directory import open_run
from tests.fedgroup.runs.test_run_directory import SPEC, fill


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


def test_checkpoints_of_equal_runs_are_equal(tmp_path: Path) -> None:
    """Seconds differ, and so does the length of their file; no other file may."""
    for name, seconds in (("one", 1.0), ("two", 1.25)):
        with open_run(tmp_path / name, SPEC) as run:
            run.append("rounds", {"round": 0})
            run.append("timing", {"round": 0, "train": seconds})
            run.checkpoint(0, {"theta": np.zeros(3, np.float32)}, {"best": [0.5, 0]})
    one, two = ((tmp_path / name / "checkpoint.npz").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_checkpoint_of_0_1_0_is_read(tmp_path: Path) -> None:
    """It has the length of timing.jsonl in its head."""
    fill(tmp_path / "run", range(2))
    (tmp_path / "run" / "timing.jsonl").write_text('{"round":0}\n{"round":1}\n{"round":2}\n')
    path = tmp_path / "run" / "checkpoint.npz"
    checkpoint, lengths = read_checkpoint(path)
    write_checkpoint(path, checkpoint, lengths | {"timing": 24})
    with open_run(tmp_path / "run", SPEC) as run:
        found = run.resume()
    assert found is not None and found.round == 1
    assert (tmp_path / "run" / "timing.jsonl").read_text() == '{"round":0}\n{"round":1}\n'


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "run", range(2))
    path = tmp_path / "run" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:100])
    with (
        open_run(tmp_path / "run", SPEC) as run,
        pytest.raises(FedgroupError, match="damaged.*delete"),
    ):
        run.resume()
