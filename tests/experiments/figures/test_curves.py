"""The figure by round, read back from its axes against numbers worked out by hand."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from experiments.experiment import Experiment
from experiments.figures import FIGURES
from experiments.figures.curves import compose
from experiments.figures.style import ink
from experiments.results.measurements import lines
from experiments.tables.table import Table
from tests.experiments.finished_runs import TABLE, bind, finish, table
from tests.experiments.report.tables import SEVERAL

CLEAN = TABLE.replace(", attack: {use: dlbd, fraction: 0.1, side: 2, gap: 0}", "")
FEDAVG = ([50.0, 80.0, 90.0], [50.0, 82.0, 94.0])
MEDIAN = ([50.0, 70.0, 89.0], [50.0, 78.0, 90.0])  # drops 0, 10, 1 and 0, 4, 4
OTHER = ([50.0, 60.0, 70.0], [50.0, 60.0, 70.0])  # drops 0, 20, 20 and 0, 22, 24
FACETS = """
base:
  task: {data: "tests.toy:ToyData", model: "tests.toy:ToyModel", partition: {use: iid, clients: 8}}
  federation: {rounds: 2, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg, "IID?": "yes"}, set: {}}
  - {label: {METHOD: Median, "IID?": "yes"}, set: {federation: {aggregator: median}}}
  - {label: {METHOD: FedAvg, "IID?": "no"}, set: {task: {partition: {use: iid, clients: 4}}}}
  - {label: {METHOD: Median, "IID?": "no"}, set: {federation: {aggregator: median}, task: {partition: {use: iid, clients: 4}}}}
seeds: SEEDS
"""


def curve(experiment: Experiment, results: Path, rates: list[float]) -> None:
    """A finished run whose groups all have this accuracy in rounds 0, 1, ...: ACC and WGA are equal."""
    finish(experiment, results, [rates[-1]] * 4)
    rounds = []
    for number, rate in enumerate(rates):
        counts = {"correct": [round(10 * rate)] * 4, "total": [1000] * 4}
        rounds.append(json.dumps({"round": number, "test": counts, "val": counts}))
    (results / experiment.id / "rounds.jsonl").write_text("\n".join(rounds) + "\n")
    bind(results / experiment.id)


def full(folder: Path, seeds: str = "[0, 1]", text: str = CLEAN) -> tuple[Table, Path]:
    """A table of FedAvg, Median and another row, all finished."""
    made, results = table(folder, seeds, text), folder / "results"
    for row, rates in zip(made.rows, (FEDAVG, MEDIAN, OTHER), strict=True):
        for experiment, values in zip(row.experiments, rates, strict=False):
            curve(experiment, results, values)
    return made, results


def drawn(axis: Axes) -> dict[str, list[float]]:
    """Values of every named line."""
    return {str(line.get_label()): list(np.asarray(line.get_ydata())) for line in axis.lines}


def labels(axis: Axes) -> list[Annotation]:
    return [text for text in axis.texts if isinstance(text, Annotation)]


def assert_no_overlap(figure: Figure) -> None:
    """In every panel each line has its label, beside the panel, inside the figure, clear of others."""
    figure.draw_without_rendering()
    for axis in figure.axes:
        names = [str(line.get_label()) for line in axis.lines]
        written = labels(axis)
        assert [label.get_text().replace("\n", " ") for label in written] == names
        boxes = [Text.get_window_extent(label) for label in written]
        for box in boxes:
            assert box.x0 > axis.bbox.x1
            assert box.x1 < figure.bbox.x1
        boxes.sort(key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 0.5 for low, high in pairwise(boxes))


def test_acc_is_a_drop_paired_by_seed_and_round(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    wga, acc = compose(made, results).axes
    assert drawn(wga)["Median"] == pytest.approx([50.0, 74.0, 89.5])
    assert wga.get_ylim() == (-2, 102)
    assert acc.get_title(loc="left") == "ACC drop against FedAvg, points"
    drops = drawn(acc)
    assert drops["FedAvg"] == [0.0, 0.0, 0.0]
    assert drops["Median"] == pytest.approx([0.0, 7.0, 2.5])
    assert drops["<i>T&C_5%</i>"] == pytest.approx([0.0, 21.0, 22.0])
    assert acc.get_ylim()[1] < 30, "a scale of its own"
    bands = [band.get_paths()[0].vertices for band in acc.collections]
    assert len(bands) == 2, "none around the baseline's zero"
    corners = {(x, round(y, 6)) for x, y in np.asarray(bands[0])}
    assert {(1.0, 4.0), (1.0, 10.0), (2.0, 1.0), (2.0, 4.0)} <= corners


def test_lines_are_named_at_their_ends(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    figure = compose(made, results)
    assert_no_overlap(figure)
    assert not figure.legends
    for axis in figure.axes:
        for line, label in zip(axis.lines, labels(axis), strict=True):
            assert label.get_color() == ink(str(line.get_color()))
            assert label.xy == (line.get_xdata()[-1], line.get_ydata()[-1])  # type: ignore[index]


def test_many_long_names_that_end_together_do_not_overlap(tmp_path: Path) -> None:
    rows = "".join(
        f"  - {{label: {{METHOD: rule number {n} with a name that takes two lines}}, "
        f"set: {{federation: {{aggregator: {{use: trimmed_mean, trim: 1}}, max_norm: {n + 1}}}}}}}\n"
        for n in range(8)
    )
    text = CLEAN.replace("seeds:", f"{rows}seeds:")
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    for place, row in enumerate(made.rows):
        curve(row.experiments[0], results, [50.0, 60.0, 70.0 + 0.1 * place])
    assert_no_overlap(compose(made, results))


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0]")
    figure = compose(made, results)
    assert not any(axis.collections for axis in figure.axes)
    assert drawn(figure.axes[1])["Median"] == pytest.approx([0.0, 10.0, 1.0])


def test_without_a_baseline_acc_is_shown_on_its_own_scale(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    for experiment in made.rows[0].experiments:
        (results / experiment.id / "result.json").unlink()
    _, acc = compose(made, results).axes
    assert acc.get_title(loc="left") == "ACC, percent"
    assert drawn(acc) == {
        "Median": pytest.approx([50.0, 74.0, 89.5]),
        "<i>T&C_5%</i>": pytest.approx([50.0, 60.0, 70.0]),
    }
    low, high = acc.get_ylim()
    assert 55 < low < 60, "the start, round 0, does not stretch it"
    assert 90 < high < 95


def test_centralized_methods_show_acc_by_epoch(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]", SEVERAL), tmp_path / "results"
    for row, rates in zip(made.rows, (FEDAVG, MEDIAN, OTHER), strict=True):
        curve(row.experiments[0], results, rates[0])
    wga, acc, attack = compose(made, results).axes
    assert acc.get_title(loc="left") == "ACC, percent"
    assert acc.get_xlabel() == "epoch of the final training"
    assert set(drawn(wga)) == {"JTT, A", "JTT, B", "GEORGE, A"}
    assert [text.get_text() for text in attack.texts] == ["not measured"]


def test_facets_share_their_scales(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0, 1]", FACETS), tmp_path / "results"
    for row, rates in zip(made.rows, (FEDAVG, MEDIAN, FEDAVG, OTHER), strict=True):
        for experiment, values in zip(row.experiments, rates, strict=True):
            curve(experiment, results, values)
    figure = compose(made, results)
    top, top_acc, bottom, bottom_acc = figure.axes
    assert [top.get_ylabel(), bottom.get_ylabel()] == ["IID", "non-IID"]
    assert top_acc.get_ylim() == bottom_acc.get_ylim()
    assert drawn(top_acc)["Median"] == pytest.approx([0.0, 7.0, 2.5])
    assert drawn(bottom_acc)["Median"] == pytest.approx([0.0, 21.0, 22.0])
    assert_no_overlap(figure)


def test_ticks_are_whole_rounds(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    figure = compose(made, results)
    figure.draw_without_rendering()
    assert all(float(tick).is_integer() for axis in figure.axes for tick in axis.get_xticks())


def test_lines_that_coincide_are_said_to(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    for row in made.rows[:2]:
        for experiment, rates in zip(row.experiments, FEDAVG, strict=True):
            curve(experiment, results, rates)
    note = compose(made, results).get_supxlabel()
    assert "FedAvg and Median coincide (WGA)." in note.replace("\n", " ")
    assert "FedAvg and Median coincide (ACC drop against FedAvg)." in note.replace("\n", " ")


def test_a_row_without_finished_runs_has_no_line(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    for experiment in made.rows[1].experiments:
        (results / experiment.id / "result.json").unlink()
    for axis in compose(made, results).axes:
        assert set(drawn(axis)) == {"FedAvg", "<i>T&C_5%</i>"}


def test_the_caption_says_how_many_seeds(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    caption = FIGURES["curves"].caption(lines(made, results, "final"))
    assert "n = 2 seeds" in caption
    (results / made.rows[0].experiments[0].id / "result.json").unlink()
    assert "n = 1 to 2 seeds" in FIGURES["curves"].caption(lines(made, results, "final"))


def test_equal_runs_give_equal_files(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    numbers = lines(made, results, "final")
    for name in ("curves", "drops"):
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir(exist_ok=True)
            FIGURES[name].draw(made, numbers, results, tmp_path / folder / name)
        for end in ("svg", "pdf", "png"):
            one, two = (tmp_path / folder / f"{name}.{end}" for folder in ("one", "two"))
            assert one.read_bytes() == two.read_bytes()
