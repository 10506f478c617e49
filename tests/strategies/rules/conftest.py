"""What the tests of foreign rules share."""

import gc

import pytest


@pytest.fixture
def no_collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower collects garbage for every reply of some strategies, a third of a second each."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)
