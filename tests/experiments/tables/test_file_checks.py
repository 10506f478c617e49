"""A table's file: a key that nothing reads, an empty list, a label that hides a column: one line."""

from pathlib import Path

import pytest

from experiments.tables.load import load
from fedgroup.errors import FedgroupError

HEAD = "base: {task: {data: tests.toy:ToyData, model: tests.toy:ToyModel}}\n"
ROW = "rows: [{label: {M: a}, set: {}}]\n"
TWO = "rows: [{label: {M: a}, set: {}}, {label: {M: b}, set: {federation: {rounds: 2}}}]\n"


def read(folder: Path, text: str) -> object:
    path = folder / "mine.yaml"
    path.write_text(text)
    return load(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + ROW + "seed: [0]\n", "no key in mine.yaml called 'seed'; did you mean 'seeds'"),
        (HEAD + "rows: [{label: {M: a}, sets: {}}]", r"rows 1 called 'sets'; did you mean 'set'"),
        (HEAD + "rows:\n- label: {M: a}\n  set:\n  federation: {rounds: 2}", "rows 1 called 'fed"),
        (HEAD + ROW + "vary: [{lable: {N: b}}]", "vary 1 called 'lable'; did you mean 'label'"),
        (HEAD + ROW + "baseline: {set: {}, label: x}", "no key in mine.yaml called 'label'"),
        (HEAD + ROW + "seeds: []", "seeds is empty"),
        (HEAD + ROW + "seeds: 3", r"seeds must be a list such as \[a, b\], got 3"),
        (HEAD + ROW + "seeds: [0, 0]", "seeds must be distinct whole numbers"),
        (HEAD + ROW + "seeds: [-1]", "seeds must be distinct whole numbers from 0"),
        (HEAD + ROW + "seeds: [1.0]", "seeds must be distinct whole numbers"),
        (HEAD + ROW + "seeds: [true]", "seeds must be distinct whole numbers"),
        (HEAD + ROW + "columns: wga", "columns must be a list such as .*, got 'wga'"),
        (HEAD + ROW + "probes: strip", "probes must be a list"),
        (HEAD + ROW + "scales: {small: {}}\nscale: smal", "no scale of .* called 'smal'"),
        (HEAD + "rows: {label: {M: a}}", "rows must be a list"),
        (HEAD + "rows: [a]", "mine.yaml, rows 1 must be a mapping, got 'a'"),
        (HEAD + "rows: []", "mine.yaml has no rows"),
        (HEAD + "rows: [{label: {M: a}, set: 3}]", "rows 1, set must be a mapping, got 3"),
        (HEAD + "rows: [{label: {M: a}, only: small}]", "only must be a list"),
        (
            HEAD + "scales: {small: {}}\nrows: [{label: {M: a}, only: [smal]}]",
            r"no scale of mine.yaml \(rows 1\) called 'smal'; did you mean 'small'",
        ),
        (
            HEAD + "scales: {small: {}}\nrows: [{label: {M: a}, scales: {smal: {}}}]",
            r"no scale of mine.yaml \(rows 1\) called 'smal'",
        ),
        (HEAD + "rows: [{label: {M: a}, set: {task: {seed: 3}}}]", "rows 1: task.seed is set by"),
        ("base: {task: {seed: 3}}\n" + ROW, "mine.yaml: task.seed is set by the table's seeds"),
        ("base: {task: }\n" + ROW, "task must be a mapping of settings, got None"),
        (HEAD + "rows: [{label: {M: a}, set: {task: }}]", "task must be a mapping of settings"),
        (
            HEAD + "rows: [{label: {M: a}, set: {task: {data: }}}]",
            "task.data must name a component",
        ),
        (HEAD + TWO.replace("M: b", "N: b"), "row 2 is labelled by N, the first row by M"),
        (HEAD + TWO.replace("M: b", "M: a"), "two rows have the label a: tell them apart"),
        *(
            (HEAD + ROW.replace("M: a", f"'{name}': a"), f"label column '{name}' has the name of")
            for name in ("seed", "round", "wga", "id", "run", "n", "WGA", "group a", "x_drop")
        ),
    ],
)
def test_what_a_table_would_lose_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match=words) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_words_and_numbers_in_labels_stay_as_they_are_written(tmp_path: Path) -> None:
    text = "rows: [{label: {IID: no, DAY: 2024-01-01, T: 1:30, N: 1_000}, set: {}}]\n"
    table = read(tmp_path, HEAD + text)
    label = {"IID": "no", "DAY": "2024-01-01", "T": "1:30", "N": "1_000"}
    assert table.rows[0].label == label  # type: ignore[attr-defined]
