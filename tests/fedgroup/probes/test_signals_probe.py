"""The separability report of finished runs of JTT and EPIC."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_run import centralise
from fedgroup.methods.epic import EPIC
from fedgroup.methods.erm import ERM
from fedgroup.methods.jtt import JTT
from fedgroup.probes.signals import DISCRETE
from fedgroup.probes.signals_probe import Signals, separate
from fedgroup.storage import read_json
from fedgroup.task import prepared_splits
from tests.fedgroup.methods.runs import arrays, task, watch_stages
from tests.fedgroup.probes.test_signals import by_hand
from tests.toy import experiment

FIRST = JTT(identify_epochs=3, upsample=2)
SELECT = EPIC(subset=0.3)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch):
    return watch_stages(monkeypatch)


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
    loss = F.cross_entropy(rows[2], torch.tensor(data.y), reduction="none").numpy()
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
