"""Sockets lie in a folder of a short name."""

from pathlib import Path

import pytest

from fedgroup.errors import FedgroupError
from fedgroup.host import short_paths
from fedgroup.host.short_paths import LONGEST, short_temporary

SOCKET = "/ray/session_2026-11-27_18-05-00_123456_1234567/sockets/plasma_store"


def test_the_longest_folder_leaves_room_for_a_socket() -> None:
    assert LONGEST + len(SOCKET) <= 103


def test_a_long_tmpdir_is_left_for_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("é" * 15)  # 15 letters, 30 bytes
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert short_temporary() == "/tmp"
    assert short_temporary("/var/tmp") == "/var/tmp"


def test_without_a_short_folder_one_line_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_paths.os, "access", lambda *_: False)
    with pytest.raises(FedgroupError, match="51 bytes, at most 35 work; set TMPDIR"):
        short_temporary("/" + "x" * 50)
