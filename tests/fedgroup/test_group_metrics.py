import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgroup.data import celeba, waterbirds
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts, tier_rates
from tests.fedgroup.data import fixtures
from tests.paths import CASES
from tests.toy import ToyData

CASES = {
    case["id"]: case
    for case in json.loads((CASES / "group_methods_cases.json").read_text())["cases"]
}


def test_counts_by_hand() -> None:
    predicted = np.array([0, 1, 1, 0, 1, 0])
    y = np.array([0, 0, 1, 1, 1, 0])
    group = np.array([0, 0, 2, 2, 3, 0])
    counts = Counts.of(predicted, y, group, 4)
    assert counts == Counts((2, 0, 1, 1), (3, 0, 2, 1))
    assert counts.by_group() == (2 / 3, None, 0.5, 1.0)
    assert counts.worst_group() == (2, 0.5)
    assert counts.accuracy() == pytest.approx(4 / 6)
    assert counts + counts == Counts((4, 0, 2, 2), (6, 0, 4, 2))


def test_ties_take_the_first_group_and_empty_groups_are_out() -> None:
    assert Counts((0, 1, 1), (0, 2, 2)).worst_group() == (1, 0.5)
    with pytest.raises(FedgroupError, match="empty set"):
        Counts((0, 0), (0, 0)).wga()
    with pytest.raises(FedgroupError, match="empty set"):
        Counts((0, 0), (0, 0)).accuracy()


@pytest.mark.parametrize(("correct", "total"), [((3,), (2,)), ((-1,), (2,)), ((1, 1), (2,))])
def test_impossible_counts_are_refused(correct: tuple[int, ...], total: tuple[int, ...]) -> None:
    with pytest.raises(FedgroupError):
        Counts(correct, total)


def test_adding_other_groups_is_refused() -> None:
    with pytest.raises(FedgroupError, match="1 and 2 groups"):
        Counts((1,), (1,)) + Counts((1, 1), (1, 1))


def test_adjusted_accuracy_is_the_reweighted_one_of_the_parity_case() -> None:
    case = CASES["george_reweight_vectors"]
    given: dict[str, Any] = case["inputs"]
    counts = Counts(tuple(given["val_correct"]), tuple(given["n_val"]))
    assert counts.adjusted(given["n_train"]) == pytest.approx(
        case["expected"]["val_acc_rw"], abs=1e-9
    )


def test_adjusted_equals_raw_where_the_proportions_agree() -> None:
    counts = Counts((30, 2, 1, 9), (40, 4, 2, 10))
    assert counts.adjusted((400, 40, 20, 100)) == pytest.approx(counts.accuracy())


def test_adjusted_leaves_empty_groups_out() -> None:
    assert Counts((5, 0), (10, 0)).adjusted((1, 1)) == 0.5
    with pytest.raises(FedgroupError, match="1 training counts for 2 groups"):
        Counts((5, 0), (10, 1)).adjusted((1,))
    with pytest.raises(FedgroupError, match="present in both"):
        Counts((5, 0), (10, 0)).adjusted((0, 1))


def test_the_papers_acc_on_waterbirds_must_be_the_adjusted_one() -> None:
    """Table 3's ACC exceeds what raw accuracy allows at its WGA; the adjusted average can reach it."""
    for row in CASES["paper_acc_is_adjusted"]["expected"]:
        worst = Counts(
            (2255, 2255, 0, 642), (2255, 2255, 642, 642)
        )  # the worst group is all wrong: scale it
        share = 1 - row["wga"] / 100
        raw = 100 - share * (100 - 100 * worst.accuracy())
        adjusted = 100 - share * (100 - 100 * worst.adjusted((3498, 184, 56, 1057)))
        assert raw == pytest.approx(row["max_raw_acc"], abs=1e-9)
        assert adjusted == pytest.approx(row["max_adjusted_acc"], abs=1e-9)
        assert raw < row["acc"] < adjusted


def test_selection_rates_by_hand() -> None:
    """IDNF (of an amplified set) and ELMF (of a dropped one): poisons leave the tier of their base."""
    group = np.array([0, 0, 0, 2, 2, 1, 3, 0])
    poison = np.array([False] * 7 + [True])
    selected = np.array([True, False, False, True, True, False, False, True])
    data = replace(ToyData().load().train.take(np.arange(8)), group=group, poison=poison)
    assert data.info.tiers == {"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)}
    rates = tier_rates(selected, data)
    assert rates.pop("HRG same class") == 0.0  # group 3 alone
    assert rates == {"LRG-1": 100.0, "LRG-2": 0.0, "HRG": 25.0, "poisons": 100.0}
    info = replace(data.info, tiers={"LRG-2": (7,)})
    none = tier_rates(selected, replace(data, poison=np.zeros(8, np.bool_), info=info))
    assert none == {"LRG-2": None, "poisons": None}


def test_official_group_counts_are_those_of_the_case_file() -> None:
    expected = CASES["dataset_checksums"]["expected"]
    official = expected["waterbirds_metadata_official_counts"]["group_counts"]
    regenerated = expected["waterbirds_metadata_regenerated_copy_TO_REJECT"]["group_counts"]
    faces = expected["celeba_group_counts"]
    assert {k: tuple(v) for k, v in official.items()} == waterbirds.COUNTS
    assert {k: tuple(v) for k, v in regenerated.items()} == waterbirds.REGENERATED
    assert {k: tuple(v) for k, v in faces.items()} == celeba.COUNTS


def test_the_fixture_writes_celebas_split_files_byte_for_byte(tmp_path: Path) -> None:
    """So the loaders are tested on the exact format: md5 of the regenerable official files."""
    import hashlib

    expected = CASES["dataset_checksums"]["expected"]
    bounds = expected["celeba_split_bounds"]
    cells = [(0, s) for s, (low, high) in enumerate(bounds.values()) for _ in range(low, high + 1)]
    for dialect, key, name in [
        ("official", "list_eval_partition_txt_original", "list_eval_partition.txt"),
        ("kaggle", "list_eval_partition_csv_kaggle_LF", "list_eval_partition.csv"),
    ]:
        fixtures.write_celeba_splits(tmp_path / dialect, dialect, cells)
        data = (tmp_path / dialect / name).read_bytes()
        assert len(data) == expected[key]["bytes"]
        assert hashlib.md5(data).hexdigest() == expected[key]["md5"]
