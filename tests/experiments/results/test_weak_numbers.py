"""Where too little stands behind a run's numbers, in words."""

from typing import Any

import pytest

from experiments.results.weak_numbers import weak_numbers

TWO = ["a", "b"]
THREE = ["a", "b", "c"]
SOUND = [90.0, 80.0, 60.0, 90.0]


def stored(groups: list[float | None], classes: list[str], **more: Any) -> dict[str, Any]:
    names = [f"{name}{a}" for name in classes for a in range(len(groups) // len(classes))]
    chosen = {"groups": groups, "round": 2}
    return {
        "selection": {"best_val_wga": chosen, "final": chosen, "last10": {}},
        "rounds": 12,
        "failed_rounds": 0,
        "dataset": {"groups": names, "classes": classes},
        **more,
    }


def constant(name: str) -> list[str]:
    return [f"constant predictor: every test sample of class {name} right, no other"]


@pytest.mark.parametrize(
    ("groups", "classes", "expected"),
    [
        (SOUND, TWO, []),
        ([100.0, 100.0, 0.0, 0.0], TWO, constant("a")),
        ([0.0, 0.0, 100.0, 100.0], TWO, constant("b")),
        ([0.0, 0.0, 0.0, 100.0, 0.0, 0.0], THREE, []),
        ([0.0, 0.0, 100.0, 100.0, 0.0, 0.0], THREE, constant("b")),
        ([100.0, 0.0, 0.0, 100.0], TWO, []),  # follows the attribute
        ([100.0] * 4, TWO, []),
        ([0.0] * 4, TWO, ["no test sample is predicted right"]),
        (
            [100.0, None, 0.0, 0.0],
            TWO,
            ["no test sample of a1: WGA is that of the other groups", *constant("a")],
        ),
        (
            [90.0, 80.0, None, None],
            TWO,
            ["no test sample of b0 and b1: WGA is that of the other groups"],
        ),
    ],
)
def test_what_the_rates_by_group_say(
    groups: list[float | None], classes: list[str], expected: list[str]
) -> None:
    for select in ("best_val_wga", "final", "last10"):  # last10 has no rates: those of the final
        assert weak_numbers(stored(groups, classes), select) == expected


def test_what_the_flags_say() -> None:
    flags = {
        "rounds_without_loss": 2,
        "val_wga_zero": True,
        "empty_groups": {"val": ["b0"], "train": ["b1"]},
        "empty_classes": {"train": ["b"], "test": ["a"]},
    }
    result = stored(SOUND, TWO, failed_rounds=3, flags=flags)
    result["selection"]["last10"]["rounds"] = [11, 12]
    shared = ["3 of 12 rounds failed", "a client's loss is no finite number in 2 of 12 rounds"]
    classes = ["no train sample of class b", "no test sample of class a"]
    assert weak_numbers(result, "final") == [*shared, *classes]
    assert weak_numbers(result, "last10") == [
        *shared, "last10 is the mean of 2 evaluated rounds", *classes
    ]  # fmt: skip
    assert weak_numbers(result, "best_val_wga") == [
        *shared,
        "validation WGA is 0 in every round: the first one stands for the best",
        "no validation sample of b0: the round was chosen without",
        *classes,
    ]


def test_a_run_of_0_1_0_says_what_it_can() -> None:
    result = stored([90.0, None, 60.0, 90.0], TWO)
    del result["dataset"]["classes"]
    assert weak_numbers(result, "final") == [
        "no test sample of a1: WGA is that of the other groups"
    ]
