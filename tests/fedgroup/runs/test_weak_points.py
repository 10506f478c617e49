"""What result.json says of data and rounds that lack something."""

from dataclasses import replace
from typing import Any

from fedgroup.runs.weak_points import weak_points
from tests.toy import INFO


def row(
    number: int, val: list[int], test: list[int], correct: int = 1, **more: Any
) -> dict[str, Any]:
    splits = {"val": val, "test": test}
    counts = {s: {"correct": [min(correct, n) for n in t], "total": t} for s, t in splits.items()}
    return {"round": number, **counts, **more}


def test_a_sound_run_has_none() -> None:
    assert weak_points([{"round": 1}, row(2, [6] * 4, [10] * 4)], INFO) == {}


def test_groups_and_classes_without_samples_are_named() -> None:
    """Groups 0 and 1 are of class a, 2 and 3 of class b."""
    info = replace(INFO, train_counts=(40, 8, 0, 0))
    assert weak_points([row(1, [6, 6, 0, 6], [0, 0, 10, 10])], info) == {
        "empty_groups": {"train": ["b0", "b1"], "val": ["b0"], "test": ["a0", "a1"]},
        "empty_classes": {"train": ["b"], "test": ["a"]},
    }


def test_a_validation_wga_of_0_in_every_round_and_rounds_without_a_loss() -> None:
    rows = [row(1, [6] * 4, [10] * 4, 0, without_loss=2), {"round": 2, "without_loss": 1}]
    rows += [row(3, [6] * 4, [10] * 4, 0)]
    assert weak_points(rows, INFO) == {"val_wga_zero": True, "rounds_without_loss": 2}
    rows += [row(4, [6] * 4, [10] * 4, 1)]
    assert weak_points(rows, INFO) == {"rounds_without_loss": 2}
