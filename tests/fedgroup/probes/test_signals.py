"""Signals of JTT's first phase: by hand, from the cache, and compared as separability compares."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedgroup.errors import FedgroupError
from fedgroup.methods.epic import EPIC
from fedgroup.methods.medoids.class_clusters import class_budgets
from fedgroup.methods.medoids.facility_location import choose_medoids
from fedgroup.predict import proxies
from fedgroup.probes.signals import DISCRETE, eliminations, forgetting, losses, outputs, signals
from fedgroup.seeding import rng
from fedgroup.task import prepared_splits
from fedgroup.train import epochs
from tests.fedgroup.methods.runs import make_stage, task, watch_stages

SELECT = EPIC(subset=0.3)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch):
    return watch_stages(monkeypatch)


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
        joined = choose_medoids(gradients[y == label], budget).cluster
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
    y = torch.tensor(data.y)
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


def test_another_bias_is_refused():
    with pytest.raises(FedgroupError, match="own outputs: set no_bias"):
        signals(make_stage(task()), 1, EPIC(no_bias=True), 0)
