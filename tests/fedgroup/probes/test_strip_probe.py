"""STRIP on finished runs: what is measured, with which model, and refusals."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.attacks.none import NoAttack
from fedgroup.attacks.subpopulation import Subpopulation
from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights, write
from fedgroup.methods.central_run import centralise
from fedgroup.methods.erm import ERM
from fedgroup.probes import strip_probe
from fedgroup.probes.strip_probe import StripProbe
from fedgroup.seeding import rng
from fedgroup.storage import read_json, write_json
from fedgroup.task import prepared_splits
from tests.fedgroup.methods.runs import arrays, task
from tests.toy import experiment

FEW = StripProbe(overlays=5, bins=4)
TRAIN = replace(FEW, split="train")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return centralise(task(), ERM(), tmp_path_factory.mktemp("runs"))


def model_of(folder):
    model = task().model.build(2, 0)
    write(model, Weights(**arrays(folder, "best")))
    return model.to(memory_format=torch.channels_last)


def counts(report):
    return {name: cell["count"] for name, cell in report["tiers"].items()}


def plain(report):
    return json.loads(json.dumps(asdict(report)))


def test_clean_and_triggered_test_images_under_the_best_model(folder):
    found = FEW.run(folder)
    splits = prepared_splits(task())
    source = splits.test.keep(splits.test.y == 0)  # LRG-1 is of class b, so a is attacked
    bank = source.pixels(np.arange(20)).clone()
    bank[:, -3:, -3:] = 255  # the task's trigger: side 3, gap 0
    stamped = replace(source, bank=bank, row=np.arange(20), poison=np.ones(20, np.bool_))
    expected = FEW.measure(model_of(folder), [splits.test, stamped], splits.val, rng(0, "strip"))
    stored = json.loads(json.dumps(found))
    assert {name: stored[name] for name in plain(expected)} == plain(expected)
    assert counts(found) == {"LRG-1": 10, "LRG-2": 10, "HRG": 20, "poisons": 20}
    assert stored["held_out"] == 24
    values, tiers = stored["values"], stored["tiers"]
    assert values["entropy LRG-1"] == tiers["LRG-1"]["mean"]
    assert values["entropy_spread poisons"] == tiers["poisons"]["std"]
    assert values["far 1"] == 100 * stored["detectors"][1]["false_acceptance_rate"]
    assert values["strip_auc"] == stored["auc"]
    assert (
        stored["round"] == read_json(folder / "result.json")["selection"]["best_val_wga"]["round"]
    )


def test_the_training_split_with_its_poisons(folder):
    found = TRAIN.run(folder)
    splits = prepared_splits(task())
    expected = FEW.measure(model_of(folder), [splits.train], splits.val, rng(0, "strip"))
    assert found["tiers"] == asdict(expected)["tiers"] and found["auc"] == expected.auc
    assert counts(found) == {"LRG-1": 4, "LRG-2": 8, "HRG": 68, "poisons": 4}


def test_chunks_do_not_matter_and_a_second_measure_is_equal(folder, monkeypatch):
    first = FEW.run(folder)
    assert FEW.run(folder) == first
    monkeypatch.setattr(strip_probe, "CHUNK", 7)
    again = FEW.run(folder)
    assert counts(again) == counts(first)
    for name, cell in first["tiers"].items():
        assert again["tiers"][name]["mean"] == pytest.approx(cell["mean"], abs=1e-6)


def test_a_federated_run(tmp_path):
    attack = {"use": "dlbd", "fraction": 0.05, "side": 3, "gap": 0}
    folder = run(Experiment.of(experiment(task__attack=attack)), tmp_path)
    assert counts(FEW.run(folder))["poisons"] == 20


def test_runs_without_poisons(tmp_path):
    clean = centralise(replace(task(), inject=False), ERM(), tmp_path)
    assert counts(TRAIN.run(clean))["poisons"] == 0
    assert counts(FEW.run(clean))["poisons"] == 20  # the trigger on a model that never saw it
    quiet = centralise(replace(task(), attack=NoAttack()), ERM(), tmp_path)
    found = FEW.run(quiet)
    assert counts(found)["poisons"] == 0 and found["auc"] is None


def test_attacks_without_a_trigger_are_measured_in_training(tmp_path):
    folder = centralise(replace(task(), attack=Subpopulation(fraction=0.05)), ERM(), tmp_path)
    with pytest.raises(FedgroupError, match="Subpopulation has no trigger.*use split train"):
        FEW.run(folder)
    assert counts(TRAIN.run(folder))["poisons"] == 4


def test_refusals(folder, tmp_path):
    with pytest.raises(FedgroupError, match=r"is not a finished run: it has no spec.json"):
        FEW.run(tmp_path)
    with pytest.raises(FedgroupError, match="no split to measure called 'val'"):
        replace(FEW, split="val")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("spec.json", "result.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(FedgroupError, match=r"cannot read .*best.npz.*run it again"):
        FEW.run(copy)
    write_json(
        copy / "result.json", {**read_json(copy / "result.json"), "hashes": {"layout": "0" * 12}}
    )
    with pytest.raises(FedgroupError, match="another model layout"):
        FEW.run(copy)
    (copy / "result.json").unlink()
    with pytest.raises(FedgroupError, match=r"it has no result.json; run it to its end first"):
        FEW.run(copy)
