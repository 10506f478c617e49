"""Probes in tables and on the command line: measured once, kept, printed."""

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from experiments.cli.app import app
from experiments.report.columns import cells
from experiments.report.separability_rows import COLUMNS, signal_frame, signal_rows
from experiments.report.write import make, write
from experiments.results import probe_values
from experiments.run import run
from experiments.tables.load import load
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.probes.strip_probe import StripProbe
from fedgroup.storage import read_json

TABLE = """
title: t
base:
  task:
    data: tests.toy:ToyData
    model: tests.toy:ToyModel
    attack: {use: dlbd, fraction: 0.05, side: 3, gap: 0}
    train: {epochs: 4, batch_size: 8}
rows:
  - {label: {EPIC: "No"}, set: {method: {use: jtt, identify_epochs: 2, upsample: 3}}}
  - {label: {EPIC: STOP = 2}, set: {method: {use: epic_then_jtt, stop: 2, identify_epochs: 2, upsample: 3}}}
  - {label: {EPIC: IDEAL}, set: {method: {use: jtt, identify_epochs: 2, upsample: 3, case: ideal}}}
columns: [wga, asr, entropy LRG-1, far 1, gap, bound]
probes: [{use: strip, overlays: 3, bins: 4}, {use: signals, draws: 20}]
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, Path]:
    folder = tmp_path_factory.mktemp("probes")
    (folder / "mine.yaml").write_text(TABLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGROUP_CACHE", str(folder / "cache"))
        table = load(str(folder / "mine.yaml"))
        for experiment in table.experiments():
            run(experiment, folder / "results")
        assert len(probe_values.missing(table, folder / "results")) == 6
        probe_values.measure_table(table, folder / "results", Console(quiet=True), 1)
    return table, folder / "results"


def test_what_is_measured_is_not_measured_again(done: tuple[Table, Path]) -> None:
    table, results = done
    assert probe_values.missing(table, results) == []
    first = results / table.experiments()[0].id
    assert probe_values.measured_by(StripProbe(overlays=3, bins=4), first)
    assert not probe_values.measured_by(StripProbe(overlays=4, bins=4), first)


def test_numbers_of_probes_are_columns(done: tuple[Table, Path]) -> None:
    table, results = done
    report = make(table, results, "final")
    head, body = cells(table, report.lines)
    strip = read_json(results / table.experiments()[0].id / "probe-strip.json")
    tier = strip["tiers"]["LRG-1"]
    assert head[3:5] == ["LRG-1 (bits)", "FAR at FRR 1 %"]
    assert (
        body[0][3] == f"{tier['mean']:.3f} ± {tier['std']:.3f}"
    )  # over samples, as the paper prints it
    values = read_json(results / table.experiments()[0].id / "probe-signals.json")["values"]
    assert body[0][5:7] == [f"{values['gap']:.1f}", f"{values['bound']:.1f}"]


def test_every_signal_is_reported_with_its_interval(done: tuple[Table, Path]) -> None:
    table, results = done
    lines = signal_rows(table, results)
    assert [line[2] for line in lines[:5]] == [
        "loss", "misclassification", "isolation", "cluster size", "forgetting",
    ]  # fmt: skip
    assert all(len(line) == len(COLUMNS) for line in lines)
    frame = signal_frame(table, results)
    assert (
        set(frame["tier"]) == {"LRG-1", "LRG-2", "HRG"}
        and frame["total_variation"].between(0, 1).all()
    )
    files = {path.name for path in write(table, results, "final")}
    assert {"signals.csv", "tradeoff.svg", "separability.svg"} <= files
    text = (results / "reports" / "mine" / "report.md").read_text()
    assert f"| {lines[0][0]} | 0 | loss | " in text and "total-variation distance" in text
    assert "total-variation distance" in (results / "reports" / "mine" / "mine.html").read_text()


def test_the_command_line(done: tuple[Table, Path]) -> None:
    table, results = done
    folder = results / table.experiments()[2].id
    shown = CliRunner().invoke(
        app, ["probe", "strip", str(folder), "--set", "overlays=2", "--set", "bins=3"]
    )
    assert shown.exit_code == 0 and "strip_auc" in shown.output
    assert read_json(folder / "probe-strip.json")["settings"]["overlays"] == 2
    for words, message in (
        (["probe", "stripp", str(folder)], "stripp"),
        (["probe", "strip", str(results)], "is not a finished run"),
        (["probe", "strip", str(folder), "--set", "overlayz=2"], "did you mean 'overlays'"),
    ):
        with pytest.raises(FedgroupError, match=message):
            CliRunner().invoke(app, words, catch_exceptions=False)


def test_an_unknown_probe_names_the_valid_ones(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        TABLE.replace("use: strip, overlays: 3, bins: 4", "use: stripe")
    )
    with pytest.raises(FedgroupError, match="stripe"):
        probe_values.missing(load(str(tmp_path / "bad.yaml")), tmp_path)
