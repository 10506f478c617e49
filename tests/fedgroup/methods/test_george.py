"""GEORGE as a method: first model, clusters, the paper's interventions, robust training over clusters."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.methods import group_dro
from fedgroup.methods import stage as stage_module
from fedgroup.methods.central_run import centralise
from fedgroup.methods.clustering.clusters import Clustering
from fedgroup.methods.clustering.reweight import reweights
from fedgroup.methods.dro_objective import DROLoss
from fedgroup.methods.george import George, activations
from fedgroup.methods.group_dro import GroupDRO
from fedgroup.predict import predict
from fedgroup.runs.run_directory import read_lines
from fedgroup.seeding import rng
from fedgroup.storage import read_json
from fedgroup.task import prepared_splits
from fedgroup.train import epochs
from tests.fedgroup.methods.runs import arrays, task

SMALL = George(first_epochs=3, clustering=Clustering(k=2))


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


def model(seed: int = 0) -> nn.Module:
    built: nn.Module = task().model.build(2, seed)
    return built


def test_activations_are_the_inputs_of_the_last_layer() -> None:
    train = prepared_splits(task()).train
    net = model()
    rows, losses = activations(net, train, "cpu")
    assert rows.shape == (84, 4)
    logits = torch.from_numpy(rows) @ net.fc.weight.detach().T + net.fc.bias.detach()  # type: ignore
    assert np.array_equal(logits.argmax(1).numpy(), predict(net, train))
    expected = -torch.log_softmax(logits, 1)[torch.arange(84), torch.tensor(train.y)]
    assert np.allclose(losses, expected.numpy(), atol=1e-5)


def test_the_first_model_is_the_best_epoch_of_plain_training(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Picked by adjusted validation accuracy, the first of equal ones; trained as fit() would."""
    splits = prepared_splits(task())
    seen: list[nn.Module] = []
    real = George._first_model
    monkeypatch.setattr(
        George, "_first_model", lambda self, *rest: seen.append(real(self, *rest)) or seen[-1]
    )
    centralise(task(), SMALL, tmp_path)
    scores, nets = [], []
    for count in (1, 2, 3):
        net = model().to(memory_format=torch.channels_last)
        config = replace(task().train, epochs=count)
        list(epochs(net, splits.train, config, lambda e: rng(0, "central", "identify", e)))
        val = splits.val
        found = Counts.of(predict(net, val), val.y, val.group, 4)
        scores.append(found.adjusted(val.info.train_counts))
        nets.append(net)
    best = nets[int(np.argmax(scores))]
    for (name, ours), theirs in zip(seen[0].named_parameters(), best.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_the_first_model_is_trained_once_for_three_cases(tmp_path: Path, monkeypatch: Any) -> None:
    numbers: list[int] = []

    def watched(*args: Any, **kwargs: Any) -> Any:
        for epoch in epochs(*args, **kwargs):
            numbers.append(epoch.number)
            yield epoch

    monkeypatch.setattr(stage_module, "epochs", watched)
    for case in ("standard", "ideal", "worst"):
        centralise(task(), replace(SMALL, case=case), tmp_path)
    assert numbers == [1, 2, 3]
    centralise(task(), replace(SMALL, checkpoint="wga"), tmp_path)
    assert numbers == [1, 2, 3] * 2  # another choice of the epoch


def test_the_smallest_cluster_and_the_three_cases(tmp_path: Path) -> None:
    poison = prepared_splits(task()).train.poison
    masks = {}
    for case in ("ideal", "standard", "worst"):
        folder = centralise(task(), replace(SMALL, case=case), tmp_path)
        masks[case] = arrays(folder, "selection-amplify")
        line = read_lines(folder, "selections")[0]
        assert line["kind"] == "amplify"
        assert line["clusters"] == [2, 2]
        assert {"poisons", "LRG-1", "LRG-2", "HRG", "HRG same class"} == set(line["found"])
    for found in masks.values():
        assert np.array_equal(found["found"], masks["standard"]["used"])
        assert np.array_equal(found["used"][~poison], found["found"][~poison])
    used = {case: found["used"] for case, found in masks.items()}
    assert not (used["ideal"] & poison).any()
    assert not (used["ideal"] & ~used["standard"]).any()
    assert not (used["standard"] & ~used["worst"]).any()


def test_one_cluster_per_class_is_group_dro_over_classes(tmp_path: Path) -> None:
    """k = 1: the ids are the classes; the same draws, objective and records as GroupDRO on classes."""
    clustered = replace(SMALL, clustering=Clustering(k=1), loss=DROLoss(adjustment=2.0))
    folder = centralise(task(), clustered, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_dro, "annotated_groups", lambda data: data.y)
        over_classes = centralise(task(), GroupDRO(loss=DROLoss(adjustment=2.0)), tmp_path)
    rows = read_lines(folder, "rounds")
    for row in rows:
        row.pop("val_estimated", None)
    assert rows == read_lines(over_classes, "rounds")


def test_the_estimate_by_hand(tmp_path: Path) -> None:
    """k = 1: the estimated groups are the classes, each accuracy reweighted to the training proportions."""
    folder = centralise(task(), replace(SMALL, clustering=Clustering(k=1)), tmp_path)
    val = prepared_splits(task()).val
    weight = reweights((40, 8, 4, 28), (6, 6, 6, 6))
    for row in read_lines(folder, "rounds")[1:]:
        hits = np.array(row["val"]["correct"]) * weight
        classes = [hits[:2].sum() / (6 * weight[:2].sum()), hits[2:].sum() / (6 * weight[2:].sum())]
        assert row["val_estimated"] == pytest.approx(min(classes), abs=1e-12)
    assert len(val) == 24
    result = read_json(folder / "result.json")
    rows = read_lines(folder, "rounds")[1:]
    best = max(rows, key=lambda row: row["val_estimated"])
    assert result["selection"]["best_val_estimated"]["round"] == best["round"]
    assert result["selection"]["best_val_estimated"]["asr"] is not None


def test_automatic_k_is_recorded_with_its_scores(tmp_path: Path) -> None:
    automatic = replace(SMALL, clustering=Clustering(largest_k=4))
    line = read_lines(centralise(task(), automatic, tmp_path), "selections")[0]
    for k, scores in zip(line["clusters"], line["silhouettes"], strict=True):
        assert float(scores[str(k)]) == max(scores.values())


def test_overclustering_gets_losses_and_validation_activations(tmp_path: Path) -> None:
    folder = centralise(task(), replace(SMALL, clustering=Clustering(k=2, overcluster=2)), tmp_path)
    assert read_lines(folder, "selections")[0]["clusters"] == [
        2,
        2,
    ]  # nothing here is large enough to split


def test_ideal_needs_another_cluster(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="ideal has nowhere to move poisons"):
        centralise(task(), replace(SMALL, clustering=Clustering(k=1), case="ideal"), tmp_path)
