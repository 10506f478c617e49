"""Every method and probe with three classes: it runs to its end, or refuses before it trains."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgroup.checks.toy_data import MORE, ThreeClasses
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_run import centralise
from fedgroup.methods.clustering.clusters import Clustering
from fedgroup.methods.clustering.reduction import Reduction
from fedgroup.methods.epic import EPIC
from fedgroup.methods.george import George
from fedgroup.methods.group_dro import annotated_groups
from fedgroup.methods.jtt import JTT
from fedgroup.probes.signals_probe import Signals
from fedgroup.probes.strip_probe import StripProbe
from fedgroup.runs.run_directory import read_lines
from fedgroup.spec import build
from fedgroup.storage import read_json
from fedgroup.task import Task, attack_success, prepared_splits
from tests.fedgroup.methods.runs import METHODS

OWN = METHODS | {
    "george": George(
        first_epochs=1, clustering=Clustering(k=2, reduction=Reduction("pca", components=2))
    )
}


def task() -> Task:
    """Three classes under a backdoor, for one epoch."""
    return build(
        Task,
        {
            "data": "fedgroup.checks.toy_data:ThreeClasses",
            "model": "tests.toy:ToyModel",
            "attack": {"use": "dlbd", "fraction": 0.02, "side": 3, "gap": 0},
            "train": {"epochs": 2, "batch_size": 32, "lr": 0.05},
        },
    )


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_method_ends_with_counts_of_six_groups(name: str, tmp_path: Path) -> None:
    folder = centralise(task(), OWN[name], tmp_path)
    last = read_lines(folder, "rounds")[-1]
    assert last["test"]["total"] == [9] * 6
    hits = last["attack"]
    assert hits["total"][2:] == [0] * 4, "only class a is attacked"
    result: dict[str, Any] = read_json(folder / "result.json")
    total = sum(hits["total"])
    assert result["selection"]["final"]["asr"] == (
        100 * sum(hits["hits"]) / total if total else None
    )


def test_georges_hardness_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match=r"between two classes, the data have 3: .*pca or umap"):
        centralise(task(), METHODS["george"], tmp_path)
    (folder,) = tmp_path.glob("*/spec.json")
    assert not any(line["round"] for line in read_lines(folder.parent, "rounds"))


def test_the_attacked_class_and_the_target() -> None:
    assert ThreeClasses().load().train.info == MORE
    poisoned = prepared_splits(task()).train
    poisons = poisoned.keep(poisoned.poison)
    assert (poisons.y == 1).all() and (poisons.group // 2 == 0).all()
    assert set(annotated_groups(poisons).tolist()) <= {2, 3}, "filed under the label b"
    for answer, hits in ((1, 0), (2, 0)):
        counts = attack_success(task(), lambda view, a=answer: np.full(len(view), a))  # type: ignore[misc]
        assert counts is not None and sum(counts.correct) == hits, "nothing was right before"


def test_strip_and_signals_of_three_classes(tmp_path: Path) -> None:
    folder = centralise(task(), OWN["jtt"], tmp_path)
    strip = replace(StripProbe(), overlays=3, bins=4).run(folder)
    assert strip["edges"][-1] == pytest.approx(np.log2(3))
    assert strip["tiers"]["poisons"]["count"] == 18
    assert all(0 <= strip["values"][f"entropy {tier}"] <= np.log2(3) for tier in strip["tiers"])
    report = Signals(EPIC(subset=0.3), draws=20).run(folder)
    assert json.loads(json.dumps(report["values"])) == report["values"]
    assert set(report["signals"]["loss"]) == {"LRG-1", "LRG-2", "HRG"}


def test_epic_clusters_each_of_three_classes_by_itself() -> None:
    data = ThreeClasses().load().train
    generator = np.random.default_rng(0)
    gradients = generator.random((len(data), 3)).astype(np.float32)
    gradients -= gradients.mean(1, keepdims=True)
    sizes = EPIC(subset=0.3).cluster_sizes(gradients, data.y, 0, 1)
    for label in range(3):
        own = sizes[data.y == label]
        medoids = (1 / own).sum()
        assert medoids == pytest.approx(round(medoids)), "clusters do not cross classes"
    assert (1 / sizes).sum() == pytest.approx(180), "0.3 of 600"


def test_jtt_finds_any_wrong_class() -> None:
    from fedgroup.methods.jtt import error_set

    data = ThreeClasses().load().train
    assert error_set((data.y + 1) % 3, data).all() and error_set((data.y + 2) % 3, data).all()
    assert isinstance(METHODS["jtt"], JTT)
