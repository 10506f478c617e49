"""The lines of a log: a run that refused clients gets no tick."""

from pathlib import Path

import pytest
from rich.console import Console

from experiments.launch.progress import _Lines, _listing, mark_of
from experiments.launch.scheduler import Watched, look
from strategies.server.federated_run import federate
from tests.strategies.server.runs import Meddling, make, spoil_theta


@pytest.mark.parametrize(("bad", "mark"), [(False, "✓"), (True, "!")])
def test_a_run_that_refused_clients_has_no_tick(bad: bool, mark: str, tmp_path: Path) -> None:
    exp = make(federation__rounds=2)
    spoil = spoil_theta(float("nan"))
    grid = Meddling(8, lambda number, client, reply: spoil(reply) if bad and client % 2 else reply)
    federate(grid, exp.task, exp.federation, tmp_path)
    watched = Watched(exp, "row", state="running")
    look(watched, tmp_path)
    assert watched.state == "done"
    assert mark_of(watched) == mark
    console = Console(width=100)
    with console.capture() as printed:
        _Lines(console)([watched])
        console.print(_listing([watched]))
    text = printed.get()
    assert ("✓" in text) is not bad
    assert (f"{watched.refused} replies refused or lost" in text) is bad
    assert (watched.refused > 0) is bad
