"""What commands print of names with markup in them: the names, and no MarkupError."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments.cli import table_view
from experiments.console import plain
from experiments.launch import progress
from experiments.launch.scheduler import Watched
from tests.experiments.hostile import LABELS, hostile


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=400)


def printed(console: Console) -> str:
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def holds(text: str) -> None:
    for label in LABELS:
        assert all(part in text for part in label.split("\n")), label


def test_show_and_status(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    made, results = hostile(tmp_path)
    monkeypatch.setattr(table_view, "make_console", lambda: console)
    table_view.print_spec(made, results)
    holds(printed(console))
    assert "# T $x$ <i>_t_</i> | 100 % & \\ 🐦" in printed(console)
    table_view.print_status(made, results)
    assert printed(console).count(LABELS[0]) >= 4


def test_progress_in_a_log_and_on_a_terminal(tmp_path: Path, console: Console) -> None:
    made, _ = hostile(tmp_path)
    runs = [
        Watched(row.experiments[0], label) for row, label in zip(made.rows, LABELS, strict=True)
    ]
    for run in runs:
        run.state = "running"
    progress._Lines(console)(runs)
    holds(printed(console))
    console.print(progress._listing(runs))
    assert printed(console).count("[red]t[/red]") == 2


def test_a_failing_label_that_would_close_a_tag(console: Console) -> None:
    """'[/x]' in a label ended the command with a MarkupError."""
    console.print(plain("run [/x] [bold]"))
    assert printed(console) == "run [/x] [bold]\n"
