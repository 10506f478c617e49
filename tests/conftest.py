"""Shared fixtures: a tiny data set with groups, and caches that never touch the user's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("FEDGROUP_CACHE")
    os.environ["FEDGROUP_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["FEDGROUP_CACHE"]
    else:
        os.environ["FEDGROUP_CACHE"] = before
