"""EPIC then JTT: plain JTT without a stop, D_k against method epic, one cached run for every k."""

import json

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.methods import stage
from fedgroup.methods.central_run import Central, centralise
from fedgroup.methods.epic import EPIC
from fedgroup.methods.epic_then_jtt import EpicThenJtt
from fedgroup.methods.jtt import JTT
from fedgroup.runs.run_directory import Run, read_lines
from fedgroup.spec import build, to_dict
from fedgroup.storage import cache_dir
from tests.fedgroup.methods.runs import RECORDS, arrays, task, watch_stages

SELECT = EPIC(subset=0.3)
PHASES = {"identify_epochs": 1, "upsample": 3, "epic_lr": None, "epic_weight_decay": None}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch):
    """Epochs really trained under EPIC."""
    # the identification model draws all samples
    return watch_stages(monkeypatch, lambda settings: settings["draw"] is not None)


def method(stop, **changes):
    return EpicThenJtt(stop=stop, **{"epic": SELECT, **PHASES, **changes})


def dropped(folder):
    return arrays(folder, "selection-eliminate")["found"]


def test_without_a_stop_it_is_jtt(tmp_path):
    plain = centralise(task(), JTT(identify_epochs=1, upsample=3), tmp_path)
    none = centralise(task(), method(None), tmp_path)
    assert plain != none
    for name in RECORDS:
        if name != "result.json":
            assert (plain / name).read_bytes() == (none / name).read_bytes(), name
    results = [json.loads((folder / "result.json").read_text()) for folder in (plain, none)]
    assert [result.pop("run") for result in results] == [plain.name, none.name]
    assert results[0] == results[1]
    for name in ("checkpoint", "best", "selection-amplify"):
        ours, theirs = arrays(none, name), arrays(plain, name)
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours | theirs), name


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_what_is_dropped_is_what_method_epic_drops(stop, tmp_path):
    alone = centralise(
        task(epochs=stop), SELECT, tmp_path
    )  # its last selection precedes epoch stop - 1
    folder = centralise(task(epochs=2), method(stop), tmp_path)
    assert np.array_equal(dropped(folder), arrays(alone, "selection-eliminate")["used"])
    line = read_lines(folder, "selections")[0]
    assert line["elmf"] == read_lines(alone, "selections")[-1]["elmf"]
    assert (line["kind"], line["step"]) == ("eliminate", stop)
    assert dropped(folder).any()


def test_errors_that_were_dropped_are_not_amplified_and_nothing_leaves(tmp_path):
    plain = centralise(task(), JTT(identify_epochs=1, upsample=3), tmp_path)
    folder = centralise(task(), method(4, epic=EPIC(subset=0.5)), tmp_path)
    errors = arrays(plain, "selection-amplify")["used"]
    gone, spared = (arrays(folder, "selection-eliminate")[name] for name in ("found", "used"))
    amplified = arrays(folder, "selection-amplify")
    assert np.array_equal(amplified["found"], errors)
    assert np.array_equal(amplified["used"], errors & ~gone)
    assert np.array_equal(spared, errors & gone)
    assert spared.any() and (gone & ~errors).any()
    rows = read_lines(folder, "rounds")
    assert {row["samples"] for row in rows[1:]} == {84 + 3 * int((errors & ~gone).sum())}
    assert [line["kind"] for line in read_lines(folder, "selections")] == ["eliminate", "amplify"]


def test_amplified_by_weights(tmp_path):
    folder = centralise(task(), method(3, amplify="weights"), tmp_path)
    assert read_lines(folder, "rounds")[1]["samples"] == 84


def test_one_epic_run_serves_every_stop(tmp_path, trained):
    found = {stop: dropped(centralise(task(), method(stop), tmp_path)) for stop in (5, 3, 2)}
    assert trained == [1, 2, 3, 4]
    assert not (found[2] & ~found[3]).any() and not (found[3] & ~found[5]).any()
    assert found[2].sum() < found[5].sum()
    centralise(task(), method(7), tmp_path)
    assert trained == [1, 2, 3, 4, 5, 6]
    for file in (cache_dir() / "stages").glob("*.npz"):
        file.unlink()
    again = {
        stop: dropped(centralise(task(), method(stop), tmp_path / "again")) for stop in (2, 3, 5)
    }
    assert all(np.array_equal(again[stop], found[stop]) for stop in found)
    assert trained[6:] == [1, 2, 3, 4]


def test_settings_that_matter_name_another_epic_run(tmp_path, trained):
    first = method(3)
    centralise(task(), first, tmp_path)
    centralise(task(), method(3, upsample=2), tmp_path)
    centralise(task(), method(3, epic=EPIC(subset=0.3, memory=1 << 20)), tmp_path)
    assert trained == [1, 2]
    centralise(task(), method(3, epic=EPIC(subset=0.3, no_bias=True)), tmp_path)
    centralise(task(), method(3, epic_lr=0.02), tmp_path)
    centralise(task(seed=1), first, tmp_path)
    assert trained == [1, 2] * 4


def test_an_interrupted_epic_run_goes_on(tmp_path, trained, monkeypatch):
    whole = dropped(centralise(task(), method(5), tmp_path / "whole"))
    for file in (cache_dir() / "stages").glob("*.npz"):
        file.unlink()
    real = stage.save_cached

    def stopped(path, values):
        if values["epoch"] == 3:
            raise KeyboardInterrupt
        real(path, values)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage, "save_cached", stopped)
        centralise(task(), method(5), tmp_path / "cut")
    trained.clear()
    assert np.array_equal(dropped(centralise(task(), method(5), tmp_path / "cut")), whole)
    assert trained == [3, 4]


def test_a_selection_before_the_first_epoch(tmp_path, trained):
    folder = centralise(task(), method(1, epic=EPIC(subset=0.2, start=0)), tmp_path)
    assert trained == [] and dropped(folder).any()


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(number, tmp_path, monkeypatch):
    whole = centralise(task(), method(3), tmp_path / "whole")
    real = Run.checkpoint

    def checkpoint(self, epoch, *rest):
        if epoch == number:
            raise KeyboardInterrupt
        real(self, epoch, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "checkpoint", checkpoint)
        centralise(task(), method(3), tmp_path / "cut")
    cut = centralise(task(), method(3), tmp_path / "cut")
    assert all((whole / name).read_bytes() == (cut / name).read_bytes() for name in RECORDS)


def test_settings_survive_json():
    spec = json.loads(json.dumps(to_dict(Central(method(5)))))
    assert spec["method"]["use"] == "epic_then_jtt"
    assert build(Central, spec).method == method(5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stop": 1}, "EPIC would drop nothing before its stop 1"),
        ({"stop": 3, "epic": {"start": 3}}, "drop nothing before its stop 3"),
        ({"case": "ideal"}, "epic_then_jtt is case standard.*got case ideal.*use method jtt"),
        ({"epic": {"case": "worst"}}, "got case standard, epic.case worst"),
        ({"stop": 3, "epic": {"stop": 2}}, "epic.stop 2"),
        ({"upsample": -2}, "upsample must be at least -1"),
        ({"epic": {"subset": 2.0}}, "epic: subset must lie strictly between 0 and 1"),
        ({"epic_lr": -1.0}, "lr must be positive"),
    ],
)
def test_bad_settings(settings, words):
    with pytest.raises(FedgroupError, match=words):
        build(Central, {"method": {"use": "epic_then_jtt", **settings}})


def test_bad_phase_settings_name_the_value(tmp_path):
    with pytest.raises(FedgroupError, match="lr must be positive"):
        centralise(task(), method(3, epic_lr=-1.0), tmp_path)
