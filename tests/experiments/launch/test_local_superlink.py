"""`fedgroup flwr local`: a SuperLink of our own, stopped by its id; one that is there stays."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from experiments.launch import local_superlink as module
from experiments.launch.local_superlink import (
    CONTROL,
    PORT,
    answers,
    free_ports,
    is_local,
    local_superlink,
)
from fedgroup.errors import FedgroupError

CONFIG = """
[superlink]
default = "mine"
[superlink.mine]
address = ":local:"
[superlink.far]
address = "10.0.0.1:9093"
"""


class Healthy(BaseHTTPRequestHandler):
    """What a SuperLink answers on /health."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    monkeypatch.setenv(PORT, str(free_ports(1)[0]))
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


@contextmanager
def somebody(port: int) -> Iterator[None]:
    """A SuperLink of somebody's own on a port."""
    server = HTTPServer(("127.0.0.1", port), Healthy)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_which_connections_need_a_superlink_here(home: Path) -> None:
    assert [is_local(name) for name in (None, "mine", "far", "none")] == [True, True, False, False]
    (home / "config.toml").unlink()
    assert [is_local(name) for name in (None, "local", "far")] == [True, True, False]
    (home / "config.toml").write_text("[")
    assert not is_local(None)


def test_one_that_is_there_is_used_and_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_ports(1)[0]
    monkeypatch.setenv(PORT, str(port))
    monkeypatch.setattr(module, "_started", lambda _: pytest.fail("one is there"))
    with somebody(port):
        with local_superlink("mine") as environment:
            assert environment[PORT] == str(port)
        assert answers(port)
    assert f"port {port} already; it is left running" in capsys.readouterr().out
    assert not answers(port)


def test_ours_has_free_ports_one_thread_and_is_gone_afterwards(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    begun: list[subprocess.Popen[bytes]] = []
    start = module._start

    def sleeper(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        assert "--database" in command
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
        begun.append(start(words, environment))
        return begun[0]

    monkeypatch.setattr(module, "_start", sleeper)
    monkeypatch.setattr(module, "_wait", lambda *_: None)
    with pytest.raises(KeyError), local_superlink(None) as environment:
        assert len({environment[PORT], environment[CONTROL], "39091", "39093"}) == 4
        assert environment["OMP_NUM_THREADS"] == "1"
        assert begun[0].poll() is None
        raise KeyError
    assert begun[0].poll() is not None


def test_one_that_does_not_start_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_command", lambda *_: [sys.executable, "-c", ""])
    refused = pytest.raises(FedgroupError, match="did not start on port .*: see its log")
    with refused, local_superlink("mine"):
        pytest.fail("it is not there")
