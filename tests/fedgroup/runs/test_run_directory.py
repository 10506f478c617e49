import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import open_run, read_lines, status
from fedgroup.storage import read_json

SPEC = {"task": {"seed": 0}}


def fill(folder: Path, rounds: range, stop_before_checkpoint: bool = False) -> None:
    with open_run(folder, SPEC) as run:
        found = run.resume()
        for number in rounds:
            assert found is None or number > found.round
            run.append("rounds", {"round": number, "x": number * 0.1})
            run.append("clients", {"round": number, "client": 1})
            if stop_before_checkpoint and number == rounds[-1]:
                return
            run.checkpoint(number, {"theta": np.full(3, number, np.float32)}, {"best": number})


def test_resume_cuts_back_to_the_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path / "whole", range(6))
    fill(
        tmp_path / "cut", range(4), stop_before_checkpoint=True
    )  # round 3 was written, not checkpointed
    with (tmp_path / "cut" / "rounds.jsonl").open("ab") as file:
        file.write(b'{"round": 4, "x"')  # and a line was torn
    assert len(read_lines(tmp_path / "cut", "rounds")) == 4
    fill(tmp_path / "cut", range(3, 6))
    for name in ("rounds.jsonl", "clients.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_resumed_run_cuts_the_seconds_by_their_round(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fill(folder, range(3))
    timing = folder / "timing.jsonl"
    timing.write_text("".join(f'{{"round":{n},"train":1.5}}\n' for n in range(5)) + '{"rou')
    with open_run(folder, SPEC) as run:
        run.resume()
    assert [row["round"] for row in read_lines(folder, "timing")] == [0, 1, 2]
    assert timing.read_text().endswith('{"round":2,"train":1.5}\n')


def test_records_shorter_than_the_checkpoint_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "run", range(3))
    (tmp_path / "run" / "clients.jsonl").write_text('{"round": 0}\n')
    with (
        open_run(tmp_path / "run", SPEC) as run,
        pytest.raises(
            FedgroupError, match=r"clients.jsonl is shorter than its checkpoint .*delete"
        ),
    ):
        run.resume()
    assert (tmp_path / "run" / "clients.jsonl").read_text() == '{"round": 0}\n', "not padded"


def test_a_failed_try_says_so_until_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for error, text in (
        (FedgroupError("the rule broke"), "the rule broke\n"),
        (KeyError("theta"), "KeyError: 'theta'\n"),
    ):
        with pytest.raises(type(error)), open_run(folder, SPEC):
            assert status(folder) == "running" and not (folder / "error.txt").exists()
            raise error
        assert status(folder) == "failed"
        assert (folder / "error.txt").read_text() == text
    with open_run(folder, SPEC):
        pass
    assert status(folder) == "interrupted"


def test_a_result_names_its_run_and_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "0123456789ab"
    with open_run(folder, SPEC) as run:
        run.append("rounds", {"round": 0})
        run.append("timing", {"round": 0, "train": 1.0})
        run.table("partition", ["client"], [[0]])
        run.save("best", {"theta": np.zeros(3, np.float32)})
        run.save("selection-amplify", {"used": np.zeros(3, np.bool_)})
        run.checkpoint(0, {}, {})
        run.finish({"rounds": 0})
    stored = read_json(folder / "result.json")
    assert (stored["run"], stored["rounds"]) == ("0123456789ab", 0)
    assert sorted(stored["records"]) == [
        "best.npz", "clients.jsonl", "partition.csv", "rounds.jsonl", "selection-amplify.npz",
        "selections.jsonl",
    ]  # fmt: skip
    rounds = hashlib.sha256(b'{"round":0}\n').hexdigest()
    assert stored["records"]["rounds.jsonl"] == rounds


def test_status_follows_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert status(folder) == "missing"
    with open_run(folder, SPEC) as run:
        assert status(folder) == "running"
        run.append("rounds", {"round": 0})
    assert status(folder) == "interrupted"
    with open_run(folder, SPEC) as run:
        run.finish({"ok": True})
    assert status(folder) == "done"


def test_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        open_run(tmp_path / "run", SPEC),
        pytest.raises(FedgroupError, match=rf"in use by process {os.getpid()} on "),
        open_run(tmp_path / "run", SPEC),
    ):
        pass


def test_other_defaults_are_noticed(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", SPEC):
        pass
    with (
        pytest.raises(FedgroupError, match=r"task\.seed was 0, is 1 now"),
        open_run(tmp_path / "run", {"task": {"seed": 1}}),
    ):
        pass


def test_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FedgroupError, match="cannot write results"),
        open_run(tmp_path / "file" / "run", SPEC),
    ):
        pass


def test_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "run", range(2))
    good = (tmp_path / "run" / "checkpoint.npz").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with open_run(tmp_path / "run", SPEC) as run:
        run.resume()
        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(FedgroupError, match="No space left.*kept"):
            run.checkpoint(2, {"theta": np.zeros(3, np.float32)}, {})
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == good
    assert not list((tmp_path / "run").glob(".*.tmp"))


def test_a_full_disk_while_lines_are_written(tmp_path: Path) -> None:
    """/dev/full refuses every write, as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open_run(tmp_path / "run", SPEC) as run:
        run.resume()
        run._files["rounds"].close()
        run._files["rounds"] = Path("/dev/full").open("wb")  # noqa: SIM115 - closed by the run
        run.append("rounds", {"round": 0})
        with pytest.raises(FedgroupError, match="No space left.*run again"):
            run.checkpoint(0, {"theta": np.zeros(3, np.float32)}, {})
