"""The figure of drops, read back from its axes."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from experiments.figures import FIGURES
from experiments.figures.drops import KINDS, applies, compose
from experiments.results.measurements import lines
from experiments.tables.table import Table
from tests.experiments.finished_runs import TABLE, finish, table
from tests.experiments.report.tables import FEDAVG, MEDIAN, full

PAPER = """
base:
  task: {data: "tests.toy:ToyData", model: "tests.toy:ToyModel", partition: {use: iid, clients: 8}}
  federation: {rounds: 2, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg, "IID?": "yes"}, set: {}}
  - {label: {METHOD: Median, "IID?": "yes"}, set: {federation: {aggregator: median}}}
  - {label: {METHOD: Trimmed mean, "IID?": "yes"}, set: {federation: {aggregator: {use: trimmed_mean, trim: 1}}}}
seeds: SEEDS
paper: table9.csv
"""
WGA, ACC = KINDS
Marks = list[tuple[float, tuple[float, float] | None, str, bool]]


def marks(axis: Axes) -> Marks:
    """(mean, (low, high) of the bar, shape, whether it is filled), from top to bottom."""
    found = []
    for container in axis.containers:
        if isinstance(container, ErrorbarContainer):
            line, _, bars = container.lines
            assert line is not None
            (mean,), (y,) = line.get_xdata(), line.get_ydata()  # type: ignore[misc]
            ends = [tuple(float(x) for x in bar.get_segments()[0][:, 0]) for bar in bars]
            filled = line.get_markerfacecolor() != "white"
            found.append(
                (float(y), (float(mean), *(ends or [None]), str(line.get_marker()), filled))
            )
    return [mark for _, mark in sorted(found, key=lambda pair: pair[0])]  # type: ignore[misc]


def drawn(made: Table, results: Path) -> tuple[Figure, Axes]:
    figure = compose(made, lines(made, results, "final"))
    (axis,) = figure.axes
    return figure, axis


def paper(folder: Path, seeds: str = "[0, 1, 2]") -> tuple[Table, Path]:
    """FedAvg and Median finished, the third row not. Median: WGA drops 10, 11, 9."""
    made, results = table(folder, seeds, PAPER), folder / "results"
    for row, groups in zip(made.rows, (FEDAVG, MEDIAN), strict=False):
        for experiment, values in zip(row.experiments, groups, strict=False):
            finish(experiment, results, values)
    return made, results


def test_filled_marks_hold_the_measured_and_open_ones_the_papers_numbers(tmp_path: Path) -> None:
    _, axis = drawn(*paper(tmp_path))
    wga, wga_paper, acc, acc_paper, *others = marks(axis)
    assert wga == (10.0, pytest.approx((9.0, 11.0)), WGA.marker, True)
    assert wga_paper == (23.7, pytest.approx((16.4, 31.0)), WGA.marker, False)
    assert acc == (0.0, pytest.approx((0.0, 0.0)), ACC.marker, True)
    assert acc_paper == (-0.2, pytest.approx((-0.5, 0.1)), ACC.marker, False)
    # the row that was not run has the paper's values alone, and says so
    assert others == [
        (45.7, pytest.approx((36.9, 54.5)), WGA.marker, False),
        (10.6, pytest.approx((7.1, 14.1)), ACC.marker, False),
    ]
    assert [text.get_text() for text in axis.texts] == ["not run"]


def test_one_seed_has_no_bars_and_the_paper_keeps_its_own(tmp_path: Path) -> None:
    figure, axis = drawn(*paper(tmp_path, "[0]"))
    assert [(bar is None, filled) for _, bar, _, filled in marks(axis)[:4]] == [
        (True, True),
        (False, False),
        (True, True),
        (False, False),
    ]
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["WGA drop", "ACC drop", "here, n = 1 seed", "the paper"]


def test_without_values_of_the_paper_only_ours_are_shown(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    figure, axis = drawn(made, results)
    assert [mark[0] for mark in marks(axis)] == pytest.approx([10.0, 0.0, -1 / 6, 0.0])
    assert all(filled for *_, filled in marks(axis))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["WGA drop", "ACC drop", "n = 3 seeds"]


def test_a_missing_baseline_is_said(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    for experiment in made.rows[0].experiments:
        (results / experiment.id / "result.json").unlink()
    numbers = lines(made, results, "final")
    assert not applies(made, numbers, results)
    _, axis = drawn(made, results)
    assert marks(axis) == []
    assert [text.get_text() for text in axis.texts] == ["baseline not run"] * 2


def test_no_headroom_stands_at_the_name(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]"), tmp_path / "results"
    for row in made.rows:
        finish(row.experiments[0], results, [90.0, 80.0, 4.0, 90.0])
    _, axis = drawn(made, results)
    assert axis.get_yticklabels()[0].get_text().replace("\n", " ") == "Median (no headroom)"


def test_it_fits_a_column_of_a_paper(tmp_path: Path) -> None:
    long = "a rule whose name is far longer than a column of a paper has room for"
    text = TABLE.replace("METHOD: Median", f"METHOD: {long}")
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    for row in made.rows:
        finish(row.experiments[0], results, FEDAVG[0])
    figure, axis = drawn(made, results)
    assert figure.get_size_inches()[0] == 3.3
    figure.draw_without_rendering()
    names = [label.get_window_extent() for label in axis.get_yticklabels()]
    assert names[0].y0 >= names[1].y1, "names of two lines do not run into each other"
    assert min(name.x0 for name in names) >= 0
    below = axis.xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= below.x0 < below.x1 <= figure.bbox.x1
    assert axis.bbox.width > figure.bbox.width / 3, "there is room for the numbers"
    sizes = [text.get_fontsize() for text in (*axis.get_yticklabels(), axis.xaxis.label)]
    assert min(sizes) >= 7, "it is printed at this size"


def test_the_caption_says_what_is_open_and_how_many_seeds(tmp_path: Path) -> None:
    made, results = paper(tmp_path)
    caption = FIGURES["drops"].caption(lines(made, results, "final"))
    assert "n = 3 seeds" in caption
    assert "Open" in caption
