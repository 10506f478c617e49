"""Signals of JTT's first phase: by hand, from the cache, and compared as separability compares."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.gradients import proxies
from fedgroup.methods import stage as stage_module
from fedgroup.methods.central_run import centralise
from fedgroup.methods.epic import EPIC
from fedgroup.methods.erm import ERM
from fedgroup.methods.jtt import JTT
from fedgroup.methods.medoids.facility_location import class_budgets, medoids
from fedgroup.probes.signals import DISCRETE, eliminations, forgetting, losses, outputs, signals
from fedgroup.probes.signals_probe import Signals, separate
from fedgroup.run_directory import read_json
from fedgroup.seeding import rng
from fedgroup.task import prepared_splits
from fedgroup.train import epochs
from tests.fedgroup.methods.runs import arrays, task
from tests.fedgroup.methods.test_jtt import make_stage
from tests.toy import experiment

FIRST = JTT(identify_epochs=3, upsample=2)
SELECT = EPIC(subset=0.3)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch):
    numbers = []

    def watched(*args, **kwargs):
        for epoch in epochs(*args, **kwargs):
            numbers.append(epoch.number)
            yield epoch

    monkeypatch.setattr(stage_module, "epochs", watched)
    return numbers


def test_losses():
    rows = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)) * 20
    y = torch.arange(30) % 4
    expected = F.cross_entropy(rows.double(), y, reduction="none").numpy()
    assert losses(rows.numpy(), y.numpy()) == pytest.approx(expected, abs=1e-9)
    sure = np.array([[0.0, 200.0]], np.float32)  # from gradients alone this would be infinite
    assert losses(sure, np.array([0])).tolist() == [200.0]


def test_forgetting_by_hand():
    right = np.array(
        [  # one column per sample, row 0 is the start
            [1, 0, 1, 0, 0],
            [0, 0, 1, 1, 0],
            [1, 0, 0, 1, 0],
            [0, 0, 1, 1, 0],
            [1, 1, 0, 1, 0],
        ]
    )
    y = np.array([0, 1, 0, 1, 1])
    predicted = np.where(right == 1, y, 1 - y)
    # wrong-right-wrong-right once; learnt last: never forgotten; twice; never; never right: more than any
    assert forgetting(predicted, y).tolist() == [1, 0, 2, 0, 4]


def test_cluster_sizes_are_those_of_the_selection():
    rows = np.random.default_rng(0).normal(0, 3, (200, 2)).astype(np.float32)
    y = (np.arange(200) % 3 == 0).astype(np.int64)
    gradients = proxies(rows, y)
    sizes = SELECT.cluster_sizes(gradients, y, 4, 7)
    budgets = class_budgets([133, 67], 60, rng(4, "epic", 7))
    for label, budget in enumerate(budgets.tolist()):
        joined = medoids(gradients[y == label], budget).cluster
        assert np.array_equal(sizes[y == label], np.bincount(joined)[joined])
    assert sum(1 / sizes) == pytest.approx(60)  # every cluster counts once, and none is empty here


def by_hand(steps):
    data = prepared_splits(task()).train
    model = task().model.build(2, 0).to(memory_format=torch.channels_last)
    config = replace(task().train, epochs=steps)
    rows = []
    for epoch in epochs(model, data, config, lambda e: rng(0, "central", "identify", e)):
        model.eval()
        with torch.inference_mode():
            rows.append(model(data.batch(np.arange(len(data))).x).double())
        assert epoch.number == len(rows)
    return rows, data


def test_signals_by_hand():
    rows, data = by_hand(3)
    found = signals(make_stage(task()), 3, SELECT, 0)
    y = torch.from_numpy(data.y)
    assert found["loss"] == pytest.approx(
        F.cross_entropy(rows[2], y, reduction="none").numpy(), abs=1e-6
    )
    right = np.stack([(row.argmax(1) == y).numpy() for row in rows])
    assert np.array_equal(found["misclassification"], ~right[2])
    lost = (right[:-1] & ~right[1:]).sum(0)
    assert np.array_equal(found["forgetting"], np.where(right.any(0), lost, 3))
    assert np.array_equal(found["isolation"], found["cluster_size"] == 1)
    assert 0 < found["isolation"].sum() < 84
    assert set(found) == set(DISCRETE) - {"elimination"} and all(
        values.dtype == np.float64 for values in found.values()
    )


def test_outputs_are_made_once_and_continued(trained):
    long = outputs(make_stage(task()), 4)
    assert long.shape == (5, 84, 2) and long.dtype == np.float32
    assert np.array_equal(outputs(make_stage(task()), 2), long[:3])
    assert trained == [1, 2, 3, 4]
    outputs(make_stage(task()), 5)
    assert trained == [1, 2, 3, 4, 5]


def test_a_whole_report(tmp_path, trained):
    folder = centralise(task(), FIRST, tmp_path)
    assert trained == [1, 2, 3, 4]  # the run's own first phase
    report = Signals(SELECT, draws=50).run(folder)
    assert trained[4:] == [1, 2, 3]
    assert Signals(SELECT, draws=50).run(folder) == report
    assert trained[7:] == []
    assert json.loads(json.dumps(report))["values"] == report["values"]
    assert report["step"] == 3 and set(report["signals"]) == set(DISCRETE) - {"elimination"}
    data = prepared_splits(task()).train
    errors = arrays(folder, "selection-amplify")["found"]
    for tier, groups in data.info.tiers.items():
        mask = np.isin(data.group, groups) & ~data.poison
        gap = abs(errors[data.poison].mean() - errors[mask].mean())
        line = report["signals"]["misclassification"][tier]
        assert line["total_variation"]["value"] == pytest.approx(gap)
        assert (line["count_a"], line["count_b"], line["discrete"]) == (4, mask.sum(), True)
    rows, _ = by_hand(3)
    loss = F.cross_entropy(rows[2], torch.from_numpy(data.y), reduction="none").numpy()
    lrg = loss[(data.group == 2) & ~data.poison]
    wins = [(p > other) + 0.5 * (p == other) for p in loss[data.poison] for other in lrg]
    found = report["signals"]["loss"]["LRG-1"]
    idnf, values = read_json(folder / "result.json")["idnf"], report["values"]
    assert values["gap"] == pytest.approx(abs(idnf["poisons"] - idnf["LRG-1"]))
    assert values["bound"] == pytest.approx(
        values["gap"]
    )  # misclassification takes two values only
    assert (values["selected poisons"], values["selected LRG-1"]) == (
        idnf["poisons"],
        idnf["LRG-1"],
    )
    assert values["tv loss"] == pytest.approx(100 * found["total_variation"]["value"])
    assert found["auc"]["value"] == pytest.approx(np.mean(wins)) and not found["discrete"]


def test_an_absent_tier_is_left_out():
    data = prepared_splits(task()).train
    data = data.keep((data.group != 1) | data.poison)
    values = {"loss": np.arange(len(data), dtype=float)}
    assert set(separate(values, data, 0, draws=10)["loss"]) == {"LRG-1", "HRG"}


def test_eliminations_by_hand():
    def line(step, poisons, lrg):
        return {
            "kind": "eliminate",
            "step": step,
            "used": {"poisons": [poisons, 4], "LRG-1": [lrg, 3]},
        }

    found = eliminations([line(1, 1, 0), {"kind": "amplify"}, line(2, 1, 2), line(4, 3, 2)], 5)
    assert found["poisons"].tolist() == [1, 4, 4, 5] and found["LRG-1"].tolist() == [2, 2, 5]
    assert eliminations([], 5) == {}


def test_the_epochs_of_elimination_of_an_epic_run(tmp_path):
    folder = centralise(task(), SELECT, tmp_path)
    report = Signals(draws=50).run(folder)
    result, values = read_json(folder / "result.json"), report["values"]
    assert set(report["signals"]) == {"elimination"} and set(report["signals"]["elimination"]) == {
        "LRG-1", "LRG-2", "HRG",
    }  # fmt: skip
    assert values["gap"] == pytest.approx(abs(result["elmf"]["poisons"] - result["elmf"]["LRG-1"]))
    assert values["gap"] <= values["bound"] + 1e-9  # at the end, and after any selection before
    for selection in result["selections"]:
        assert (
            abs(selection["elmf"]["poisons"] - selection["elmf"]["LRG-1"]) <= values["bound"] + 1e-9
        )
    with pytest.raises(FedgroupError, match="case ideal, which looks at groups"):
        Signals().run(centralise(task(), replace(SELECT, case="ideal"), tmp_path))
    with pytest.raises(FedgroupError, match="trained without poisons"):
        Signals().run(centralise(replace(task(), inject=False), SELECT, tmp_path))


def test_refusals(tmp_path):
    with pytest.raises(FedgroupError, match="draws must be at least 1"):
        Signals(draws=0)
    folder = centralise(task(), ERM(), tmp_path)
    with pytest.raises(
        FedgroupError, match="ran erm, which has no signal.*give a run of jtt or epic"
    ):
        Signals().run(folder)
    clean = centralise(replace(task(), inject=False), FIRST, tmp_path)
    with pytest.raises(FedgroupError, match="trained without poisons"):
        Signals().run(clean)
    federated = run(Experiment.of(experiment()), tmp_path)
    with pytest.raises(FedgroupError, match="ran a federated strategy"):
        Signals().run(federated)
    with pytest.raises(FedgroupError, match="not a finished run"):
        Signals().run(tmp_path)
    with pytest.raises(FedgroupError, match="own outputs: set no_bias"):
        signals(make_stage(task()), 1, EPIC(no_bias=True), 0)
