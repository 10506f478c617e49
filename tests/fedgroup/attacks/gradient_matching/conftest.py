from pathlib import Path

import pytest


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "attacks"
