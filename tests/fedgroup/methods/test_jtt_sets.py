import numpy as np
import pytest

from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.methods.identification import error_set, idnf, precision_recall
from fedgroup.methods.upsampling import upsample
from tests.fedgroup.methods.cases import CASES, dataset


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
    assert precision_recall(found, minority) == (want["precision"], want["recall"])
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


def test_precision_and_recall_of_empty_sets_do_not_exist() -> None:
    none, some = np.zeros(2, np.bool_), np.array([True, False])
    assert precision_recall(none, some) == (None, 0.0)
    assert precision_recall(some, none) == (0.0, None)


WATERBIRDS = np.repeat(np.arange(4), [3498, 184, 56, 1057])
LRG1 = np.flatnonzero(WATERBIRDS == 2)


def test_appended_poisons_are_a_cell_of_their_own() -> None:
    """DLBD: 47 poisons are added, bases in HRG, so LRG-1 stays 56, LRG-2 184 and HRG 4,555."""
    data = dataset(
        np.concatenate([WATERBIRDS, np.zeros(47, np.int64)]), poison=np.arange(4795, 4842)
    )
    found = np.zeros(4842, np.bool_)
    found[4795:4841] = True  # 46 of 47 poisons
    found[LRG1[:53]] = True
    found[np.flatnonzero(WATERBIRDS == 1)[:68]] = True
    found[:228] = True  # group 0
    rates = idnf(found, data)
    assert rates["poisons"] == pytest.approx(100 * 46 / 47)
    assert rates["LRG-1"] == pytest.approx(100 * 53 / 56)
    assert rates["LRG-2"] == pytest.approx(100 * 68 / 184)
    assert rates["HRG"] == pytest.approx(100 * 228 / 4555)
    assert rates["HRG same class"] == 0.0


def test_poisons_that_replace_images_leave_nine_clean_ones() -> None:
    """GM: 47 images of LRG-1 are altered in place."""
    data = dataset(WATERBIRDS, poison=LRG1[:47])
    found = np.zeros(4795, np.bool_)
    found[LRG1[:55]] = True
    rates = idnf(found, data)
    assert rates["poisons"] == 100.0
    assert rates["LRG-1"] == pytest.approx(100 * 8 / 9)


def test_georges_hrg_is_reported_over_its_class_and_over_all() -> None:
    """A cluster of 132 waterbirds on water: 12.5 % of 1,057, but 2.9 % of 4,555."""
    data = dataset(WATERBIRDS)
    found = np.zeros(4795, np.bool_)
    found[np.flatnonzero(WATERBIRDS == 3)[:132]] = True
    rates = idnf(found, data)
    assert rates["HRG same class"] == pytest.approx(100 * 132 / 1057)
    assert rates["HRG"] == pytest.approx(100 * 132 / 4555)
    assert list(rates) == ["LRG-1", "LRG-2", "HRG", "HRG same class", "poisons"]
    assert rates["poisons"] is None
