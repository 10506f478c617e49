"""Shared fixtures: caches that never touch the user's; and which tests count as fast."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")


TIMES = Path(__file__).parent / "over_a_second.txt"
"""Tests that took a second or more when they were last timed (`make durations`), one id a line."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help=f"leave out the tests of {TIMES.name}")
    parser.addoption("--write-durations", action="store_true", help=f"write {TIMES.name} anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--fast"):
        return
    long = set(TIMES.read_text(encoding="utf-8").splitlines())
    left_out = [item for item in items if item.nodeid in long]
    items[:] = [item for item in items if item.nodeid not in long]
    config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not config.getoption("--write-durations"):
        return
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
    long = sorted(name for name, taken in seconds.items() if taken >= 1)
    TIMES.write_text("".join(f"{name}\n" for name in long), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    if os.environ.get("PYTEST_XDIST_WORKER"):  # the workers share what is rendered once
        folder = tmp_path_factory.getbasetemp().parent / "cache"
        folder.mkdir(exist_ok=True)
    before = os.environ.get("FEDGROUP_CACHE")
    os.environ["FEDGROUP_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["FEDGROUP_CACHE"]
    else:
        os.environ["FEDGROUP_CACHE"] = before
