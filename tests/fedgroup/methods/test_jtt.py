"""JTT as a whole: its two phases, its limits (plain training), the three cases and the cached stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import tier_rates
from fedgroup.methods.central_run import centralise
from fedgroup.methods.erm import ERM
from fedgroup.methods.jtt import JTT, error_set, upsample, weighted
from fedgroup.methods.stage import Stage
from fedgroup.runs.run_directory import read_lines
from fedgroup.spec import build
from fedgroup.storage import read_json
from fedgroup.task import Task, prepared_splits
from tests.fedgroup.methods.cases import CASES, batch, dataset
from tests.fedgroup.methods.runs import arrays, make_stage, task, watch_stages


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Epochs that identification stages really trained."""
    return watch_stages(monkeypatch)


def final(folder: Path) -> list[dict[str, Any]]:
    return read_lines(folder, "rounds")


def selected(folder: Path) -> dict[str, Any]:
    return read_lines(folder, "selections")[0]


def test_one_stage_serves_three_cases_and_every_factor(tmp_path: Path, trained: list[int]) -> None:
    for case in ("standard", "ideal", "worst"):
        for factor in (1, 2):
            centralise(task(), JTT(identify_epochs=2, upsample=factor, case=case), tmp_path)  # type: ignore[arg-type]
    assert trained == [1, 2, 3]


def test_without_errors_jtt_is_erm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = centralise(task(), ERM(), tmp_path)
    monkeypatch.setattr(Stage, "predictions", lambda self, step, how: self.data.y.copy())
    twice = centralise(task(), JTT(), tmp_path)
    assert selected(twice)["found"]["HRG"][0] == 0
    assert final(plain) == final(twice)
    assert arrays(plain, "checkpoint").keys() == arrays(twice, "checkpoint").keys()
    for name, value in arrays(plain, "checkpoint").items():
        assert np.array_equal(value, arrays(twice, "checkpoint")[name]), name


@pytest.mark.parametrize(
    "settings",
    [{"upsample": 0}, {"upsample": 1, "amplify": "total"}, {"upsample": 1, "amplify": "weights"}],
)
def test_a_factor_that_adds_nothing_is_erm(settings: dict[str, Any], tmp_path: Path) -> None:
    plain = centralise(task(), ERM(), tmp_path)
    twice = centralise(task(), JTT(identify_epochs=1, **settings), tmp_path)
    assert sum(selected(twice)["found"]["HRG"]) > 0
    if settings.get("amplify") == "weights":  # a mean of products: equal up to float rounding
        for ours, theirs in zip(final(twice)[1:], final(plain)[1:], strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
    else:
        assert final(plain) == final(twice)


def test_amplified_samples_lengthen_the_epoch(tmp_path: Path) -> None:
    folder = centralise(task(), JTT(identify_epochs=1, upsample=5), tmp_path)
    used = sum(n for name, (n, _) in selected(folder)["used"].items() if name != "HRG same class")
    assert used > 0
    assert final(folder)[1]["samples"] == 84 + 5 * used


def test_the_three_cases_differ_in_poisons_only(tmp_path: Path) -> None:
    masks, lines = {}, {}
    for case in ("ideal", "standard", "worst"):
        folder = centralise(task(), JTT(identify_epochs=1, upsample=2, case=case), tmp_path)  # type: ignore[arg-type]
        masks[case], lines[case] = arrays(folder, "selection-amplify"), selected(folder)
    poison = prepared_splits(task()).train.poison
    used = {case: found["used"] for case, found in masks.items()}
    assert not (used["ideal"] & ~used["standard"]).any()
    assert not (used["standard"] & ~used["worst"]).any()
    assert all(np.array_equal(m[~poison], used["standard"][~poison]) for m in used.values())
    assert lines["ideal"]["used"]["poisons"] == [0, 4]
    assert lines["worst"]["used"]["poisons"] == [4, 4]
    assert all(np.array_equal(found["found"], used["standard"]) for found in masks.values())
    assert len({str(line["found"]) for line in lines.values()}) == 1


def test_the_result_names_idnf(tmp_path: Path) -> None:
    folder = centralise(task(), JTT(identify_epochs=1, upsample=2, case="worst"), tmp_path)
    result = read_json(folder / "result.json")
    found = selected(folder)
    assert (found["kind"], found["step"]) == ("amplify", 1)
    n, of = found["found"]["LRG-1"]
    assert of == 4
    assert result["idnf"]["LRG-1"] == 100 * n / of
    assert result["amplified"]["poisons"] == 100.0


def test_identification_has_its_own_settings(tmp_path: Path, trained: list[int]) -> None:
    centralise(task(), JTT(identify_epochs=1, upsample=2), tmp_path)
    centralise(task(lr=0.01), JTT(identify_epochs=1, upsample=2, identify_lr=0.05), tmp_path)
    assert trained == [1, 2]  # the second run's stage is the first run's
    centralise(task(), JTT(identify_epochs=1, upsample=2, identify_batch_size=8), tmp_path)
    centralise(task(), JTT(identify_epochs=1, upsample=2, identify_weight_decay=0.5), tmp_path)
    assert trained == [1, 2] * 3


def test_weighted_loss_by_hand() -> None:
    train = prepared_splits(task()).train
    used = np.zeros(84, np.bool_)
    used[[1, 3]] = True
    part = batch([0, 1, 1], [0, 3, 3], [0, 1, 2])
    logits = torch.tensor([[2.0, 0.0], [0.5, 1.0], [0.0, 0.0]])
    each = [-float(torch.log_softmax(logits, 1)[i, y]) for i, y in enumerate((0, 1, 1))]
    expected = (each[0] + 7 * each[1] + each[2]) / 3
    assert float(weighted(train, used, 7, "cpu")(logits, part)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_table_1_on_the_embedded_data() -> None:
    """The paper's pattern under the settings of the class docstring: about a minute on one core."""
    only = build(Task, {"attack": "dlbd", "train": {"lr": 1e-3, "weight_decay": 0.3}})
    train = prepared_splits(only).train
    rates = tier_rates(error_set(make_stage(only, train).predictions(16, "online"), train), train)
    assert min(rates["poisons"] or 0, rates["LRG-1"] or 0) > 90
    assert 5 < (rates["LRG-2"] or 0) < 60
    assert (rates["HRG"] or 0) < 5


def official() -> tuple[GroupedDataset, np.ndarray, list[int]]:
    """The training split of the parity case, its error set, and the row of each sample in metadata.csv."""
    given = CASES["jtt_error_set_and_upsampling"]["inputs"]
    rows = [i for i, split in enumerate(given["split"]) if split == 0]
    y, place = np.array(given["y"])[rows], np.array(given["place"])[rows]
    data = dataset(2 * y + place)
    predicted = np.where(np.isin(rows, given["misclassified_dataset_indices"]), 1 - y, y)
    return data, error_set(predicted, data), rows


def test_parity_of_the_error_set_and_the_list() -> None:
    want = CASES["jtt_error_set_and_upsampling"]["expected"]
    data, found, rows = official()
    assert rows == want["train_dataset_indices"]
    assert np.flatnonzero(found).tolist() == want["error_positions_in_train"]
    assert data.group_counts().tolist() == want["train_group_counts"]
    minority = data.y != data.group % 2
    assert minority.sum() == want["minority_y_ne_place_in_train"]
    both = int((found & minority).sum())
    assert both / int(found.sum()) == want["precision"]
    assert both / int(minority.sum()) == want["recall"]
    for each in want["by_up_weight"]:
        longer = upsample(data, found, each["up_weight"])
        assert len(longer) == each["length"]
        assert [rows[i] for i in longer.index] == each["dataset_indices"]
        assert longer.group_counts().tolist() == each["group_counts"]
        if each["effective_factor"]:
            assert (len(longer) - len(data)) // found.sum() == each["effective_factor"]


def test_parity_of_the_epoch_arithmetic() -> None:
    case = CASES["epoch_arithmetic"]
    given, want = case["inputs"], case["expected"]

    def steps(samples: int) -> int:
        return len(range(0, samples, given["batch"]))  # the batches of fit(): the last one is kept

    data = dataset(np.zeros(given["N_waterbirds"], np.int64))
    assert steps(len(data)) == want["steps_erm_waterbirds"]
    assert len(data) - given["batch"] * (steps(len(data)) - 1) == want["last_batch_waterbirds"]
    assert steps(given["N_celeba"]) == want["steps_erm_celeba"]
    for errors in given["error_set_sizes"]:
        longer = upsample(data, np.arange(len(data)) < errors, given["up_weight"])
        phase2 = want["jtt_phase2"][str(errors)]
        assert (len(longer), steps(len(longer))) == (phase2["samples"], phase2["steps"])


def test_the_factor_counts_the_added_copies_or_all() -> None:
    data = dataset([0, 1, 2])
    found = np.array([False, True, True])
    assert upsample(data, found, 2).index.tolist() == [0, 1, 2, 1, 2, 1, 2]
    assert upsample(data, found, 2, "total").index.tolist() == [0, 1, 2, 1, 2]
    assert upsample(data, found, 1, "total").index.tolist() == [0, 1, 2]


def test_nothing_found_or_no_factor_is_plain_training() -> None:
    data = dataset([0, 1, 2, 3])
    none, one = np.zeros(4, np.bool_), np.array([True, False, False, False])
    assert upsample(data, none, 100) is data
    assert upsample(data, none, -1) is data
    assert upsample(data, one, 0).index.tolist() == [0, 1, 2, 3]
    assert upsample(data, np.ones(4, np.bool_), -1).index.tolist() == [0, 1, 2, 3]


def test_bad_input_is_refused() -> None:
    data = dataset([0, 1])
    found = np.array([True, False])
    with pytest.raises(FedgroupError, match="factor must be at least 0.*got -2"):
        upsample(data, found, -2)
    with pytest.raises(FedgroupError, match="got 0"):
        upsample(data, found, 0, "total")
    with pytest.raises(FedgroupError, match="one entry per sample"):
        upsample(data, found[:1], 2)
    with pytest.raises(FedgroupError, match="one per sample"):
        error_set(np.array([0]), data)
