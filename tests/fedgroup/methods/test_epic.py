"""EPIC as a whole: the schedule, what leaves, the three cases, its limit (plain training), resuming."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedgroup.dataset import GroupInfo
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_run import Central, central_id, centralise
from fedgroup.methods.epic import EPIC, tier_members
from fedgroup.methods.erm import ERM
from fedgroup.methods.medoids.class_clusters import cluster_sizes
from fedgroup.predict import last_layer_gradients
from fedgroup.runs.run_directory import Run, read_lines
from fedgroup.seeding import rng
from fedgroup.spec import build, to_dict
from fedgroup.storage import read_json
from fedgroup.task import prepared_splits
from tests.fedgroup.methods.cases import dataset
from tests.fedgroup.methods.runs import RECORDS, arrays, task

CUTTING = EPIC(subset=0.3)
EPOCHS = 5


def run(method, where, **changes):
    return centralise(task(epochs=EPOCHS, **changes), method, where)


def lines(folder):
    return read_lines(folder, "selections")


def train():
    return prepared_splits(task()).train


@pytest.fixture
def used(monkeypatch):
    """Masks of every selection recorded: (epoch, found, used)."""
    held = []
    whole = Run.save

    def save(self, name, values):
        if name == "selection-eliminate":
            held.append((values["found"], values["used"]))
        whole(self, name, values)

    monkeypatch.setattr(Run, "save", save)
    return held


def stated_schedule(length, subset_freq=10, drop_after=1, stop_after=10**9):
    """The conditions of the authors' code, as they stand there."""
    return [e for e in range(length) if e % subset_freq == 0 and e >= drop_after and e < stop_after]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, stated_schedule(12, 1)),
        ({"every": 5}, stated_schedule(12, 5)),
        ({"every": 5, "start": 0}, [0, 5, 10]),
        ({"every": 2, "start": 3, "stop": 9}, stated_schedule(12, 2, 3, 9)),
        ({"start": 3, "stop": 5}, [3, 4]),
        ({"epochs_list": (0, 4, 7)}, [0, 4, 7]),
        ({"epochs_list": (0, 4, 7), "stop": 7}, [0, 4]),
    ],
)
def test_the_schedule(settings, expected):
    assert [epoch for epoch in range(12) if EPIC(**settings).selects(epoch)] == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"start": 0, "every": 2}, [0, 2, 4]),
        ({"stop": 3}, [1, 2]),
        ({"epochs_list": (3,)}, [3]),
    ],
)
def test_selections_precede_their_epoch_and_none_follows_the_last(settings, expected, tmp_path):
    folder = run(EPIC(subset=0.3, **settings), tmp_path)
    rows = read_lines(folder, "rounds")
    assert [line["step"] for line in lines(folder)] == expected
    left = {line["step"]: line["alive"] for line in lines(folder)}
    size = 84
    for epoch in range(EPOCHS):  # epoch e is round e + 1
        size = left.get(epoch, size)
        assert rows[epoch + 1]["samples"] == size
        assert rows[epoch + 1]["alive"] == left.get(epoch + 1, size)
    assert size < 84


def test_a_threshold_of_zero_drops_nothing_and_is_erm(tmp_path):
    plain, same = run(ERM(), tmp_path), run(EPIC(threshold=0), tmp_path)
    assert [line["alive"] for line in lines(same)] == [84] * 4
    for ours, theirs in zip(read_lines(same, "rounds"), read_lines(plain, "rounds"), strict=True):
        assert ours == theirs | ({"alive": 84} if ours["round"] else {})
    for name in ("theta", "buffers", "counters", "momentum"):
        assert np.array_equal(arrays(same, "checkpoint")[name], arrays(plain, "checkpoint")[name])


def test_a_run_by_hand(tmp_path, used):
    """A plain loop: select before epochs 1, 2, ... with the model as it is, train on what has always stayed."""
    folder = run(CUTTING, tmp_path)
    only, data = task(), train()
    model = only.model.build(2, 0).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    trained = np.zeros(84, np.int64)
    for epoch in range(EPOCHS):
        stay = np.ones(84, np.bool_)
        if epoch:
            gradients = last_layer_gradients(model, data)
            stay = cluster_sizes(gradients, data.y, 0.3, rng(0, "epic", epoch)) > 1
        alive = np.flatnonzero(stay & (trained == epoch))  # trained in every epoch so far
        if epoch:
            found, gone = used[epoch - 1]
            assert np.array_equal(found, ~stay)
            assert np.array_equal(np.flatnonzero(~gone), alive)
        model.train()
        order = rng(0, "central", "final", epoch + 1).permutation(alive)
        for start in range(0, len(order), 16):
            part = data.batch(order[start : start + 16])
            optimiser.zero_grad()
            F.cross_entropy(model(part.x), part.y).backward()
            optimiser.step()
        trained[alive] += 1
    assert read_lines(folder, "rounds")[-1]["samples"] == len(alive) < 84


def test_elmf_is_cumulative_and_poisons_are_their_own_group(tmp_path, used):
    folder = run(EPIC(subset=0.4), tmp_path)
    data = train()
    tiers = {"LRG-1": [2], "LRG-2": [1], "HRG": [0, 3]}
    before = dict.fromkeys([*tiers, "poisons"], 0.0)
    assert len(lines(folder)) == len(used) == 4
    for line, (_, gone) in zip(lines(folder), used, strict=True):
        for name, groups in tiers.items():
            cell = np.isin(data.group, groups) & ~data.poison
            assert line["elmf"][name] == pytest.approx(100 * (gone & cell).sum() / cell.sum())
            assert line["used"][name] == [(gone & cell).sum(), cell.sum()]
        assert line["elmf"]["poisons"] == pytest.approx(100 * gone[data.poison].mean())
        assert all(line["elmf"][name] >= before[name] for name in before)
        before = line["elmf"]
        assert line["alive"] == 84 - gone.sum()
    assert max(before.values()) > 0
    final = arrays(folder, "selection-eliminate")
    assert np.array_equal(final["used"], used[-1][1]) and np.array_equal(final["index"], data.index)


def test_the_three_cases(tmp_path, used):
    data = train()
    masks = {}
    for case in ("standard", "ideal", "worst"):
        used.clear()
        folder = run(EPIC(subset=0.4, case=case), tmp_path)
        masks[case] = list(used)
        tiers = [line.get("minority") for line in lines(folder)]
        assert tiers == [None if case == "standard" else ["LRG-1", "LRG-2"]] * 4
    minority = np.isin(data.group, [1, 2]) & ~data.poison
    first = {case: held[0] for case, held in masks.items()}
    assert all(np.array_equal(found, first["standard"][0]) for found, _ in first.values())
    found = first["standard"][0]
    assert found.any() and np.array_equal(first["standard"][1], found)
    assert np.array_equal(first["ideal"][1], found & ~minority)
    assert np.array_equal(first["worst"][1], found | minority)
    assert not any((gone & minority).any() for _, gone in masks["ideal"])
    assert masks["ideal"][-1][1].any()
    assert all((gone | ~minority).all() for _, gone in masks["worst"])
    assert any(
        (found & minority).any() for found, _ in masks["ideal"]
    )  # else there is nothing to protect


def test_the_minority_may_be_lrg_1_alone(tmp_path):
    folder = run(EPIC(subset=0.3, case="worst", minority=("LRG-1",)), tmp_path)
    first = lines(folder)[0]
    assert first["minority"] == ["LRG-1"] and first["elmf"]["LRG-1"] == 100
    assert first["elmf"]["LRG-2"] < 100


def test_members_are_clean_and_a_missing_tier_is_empty():
    data = dataset([0, 1, 2, 2, 3], poison=[3])
    assert tier_members(data, ("LRG-1", "LRG-2")).tolist() == [False, True, True, False, False]
    info = GroupInfo(
        "celebs", ("a", "b"), ("a0", "a1", "b0", "b1"), {"LRG-1": (3,), "HRG": (0, 1, 2)}
    )
    assert tier_members(replace(data, info=info), ("LRG-1", "LRG-2")).tolist() == [False] * 4 + [
        True
    ]
    with pytest.raises(FedgroupError, match="celebs has no training samples in tiers LRG-2"):
        tier_members(replace(data, info=info), ("LRG-2",))
    with pytest.raises(FedgroupError, match="no tier called 'LRG1'; did you mean 'LRG-1'"):
        tier_members(data, ("LRG1",))


def records(folder):
    return {name: (folder / name).read_bytes() for name in RECORDS}


@pytest.mark.parametrize("number", [0, 1, 2, 4, 5])
@pytest.mark.parametrize(
    "method", [CUTTING, EPIC(subset=0.3, start=0, case="worst")], ids=["late", "early"]
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(method, number, tmp_path, monkeypatch):
    whole = run(method, tmp_path / "whole")
    real = Run.checkpoint

    def checkpoint(self, epoch, *rest):
        if epoch == number:
            raise KeyboardInterrupt
        real(self, epoch, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "checkpoint", checkpoint)
        run(method, tmp_path / "cut")
    cut = run(method, tmp_path / "cut")
    assert records(whole) == records(cut)
    for name in ("checkpoint", "best", "selection-eliminate"):
        ours, theirs = arrays(whole, name), arrays(cut, name)
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours | theirs), name
    assert arrays(cut, "checkpoint")["state.alive"].sum() == lines(cut)[-1]["alive"] < 84


def test_memory_and_cores_change_no_record(tmp_path, monkeypatch):
    one = run(CUTTING, tmp_path)
    monkeypatch.setenv("FEDGROUP_CORES", "3")
    other = run(replace(CUTTING, memory=1), tmp_path)
    assert one != other
    assert lines(one) == lines(other)


def test_a_run_without_poisons_has_no_rate_for_them(tmp_path):
    clean = replace(task(epochs=3), inject=False)
    folder = centralise(clean, CUTTING, tmp_path)
    assert lines(folder)[-1]["elmf"]["poisons"] is None
    assert read_json(folder / "result.json")["rounds"] == 3


def test_settings_survive_json_and_name_the_run():
    method = EPIC(subset=0.2, epochs_list=(1, 3), minority=("LRG-1",), case="worst")
    spec = json.loads(json.dumps(to_dict(Central(method))))
    assert spec["method"]["use"] == "epic"
    assert build(Central, spec).method == method
    assert (
        len({central_id(task(), m) for m in (EPIC(), method, replace(method, minority=("LRG-2",)))})
        == 3
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"subset": 1.0}, "subset must lie strictly between 0 and 1, got 1.0"),
        ({"every": 0}, "every must be at least 1, got 0"),
        ({"start": -1}, "start must be at least 0, got -1"),
        ({"threshold": -1}, "threshold must be at least 0, got -1"),
        ({"memory": 0}, "memory must be at least 1, got 0"),
        ({"stop": 0}, "stop must be at least 1, or null for no stop, got 0"),
        ({"similarity": "cosine"}, "similarity.*cosine"),
        ({"case": "wurst"}, "case.*wurst"),
        ({"epochs_list": [3, 2]}, r"ascending order, got \[3, 2\]"),
        ({"epochs_list": [-1]}, r"from 0 in ascending order, got \[-1\]"),
        (
            {"epochs_list": [3], "every": 2},
            r"epochs_list \[3\] stands in place of every 2 and start 1",
        ),
        ({"minority": []}, "minority must name at least one tier"),
        ({"eval_every": 0}, "eval_every must be at least 1"),
    ],
)
def test_bad_settings(settings, words):
    with pytest.raises(FedgroupError, match=words):
        build(Central, {"method": {"use": "epic", **settings}})


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (EPIC(start=5), "EPIC would never select in 5 epochs with start 5"),
        (EPIC(stop=1), "never select in 5 epochs with start 1, every 1 and stop 1"),
        (EPIC(epochs_list=(2, 5)), "names epoch 5, but training has epochs 0 to 4"),
        (EPIC(subset=0.01), "0 medoids cannot serve 2 classes"),
        (EPIC(case="worst", minority=("LRG-3",)), "no tier called 'LRG-3'"),
    ],
)
def test_runs_that_cannot_be(method, words, tmp_path):
    with pytest.raises(FedgroupError, match=words):
        run(method, tmp_path)
