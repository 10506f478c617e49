"""TLS and SuperNode authentication: who does not belong is turned away, and it is written down."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.keys import make
from deploy.processes import Process, Topology, free_ports
from tests.deploy.site import NODES, topology


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    """A SuperLink that knows three keys; no SuperNode runs."""
    folder = tmp_path_factory.mktemp("secure")
    made = topology(folder / "run", make(folder / "keys", NODES))
    try:
        made.start_superlink()
        yield made
    finally:
        made.stop()


def turned_away(up: Topology, folder: Path, *changes: tuple[str, str]) -> str:
    """What a SuperNode says when it ends, its arguments changed (old start -> new, "" drops it)."""
    (port,) = free_ports(1)
    arguments = [word for word in up.supernodes[0].arguments if not word.startswith("--port=")]
    for old, new in (*changes, ("--max-wait-time", "--max-wait-time=3")):
        arguments = [new if word.startswith(old) else word for word in arguments]
    words = [word for word in arguments if word] + [f"--port={port}"]
    node: Process = replace(up.supernodes[0], arguments=words, log=folder / "node.txt", port=port)
    node.start()
    try:
        assert node.running is not None
        assert node.running.wait(120) != 0
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the SuperNode hangs: {node.log.read_text()[-1000:]}") from None
    finally:
        node.kill()
    return node.log.read_text()


def test_a_node_without_a_key_is_refused(up: Topology, tmp_path: Path) -> None:
    said = turned_away(up, tmp_path, ("--auth-supernode-private-key", ""))
    assert "SuperNode authentication is enabled. All SuperNodes must be registered" in said
    assert re.search(r'"POST /v1/fleet/register-node HTTP/1.1" 4\d\d', up.superlink.log.read_text())


def test_a_node_with_an_unregistered_key_is_refused(up: Topology, tmp_path: Path) -> None:
    other = make(tmp_path / "other", 1)
    key = f"--auth-supernode-private-key={other / 'supernode-0' / 'key'}"
    said = turned_away(up, tmp_path, ("--auth-supernode-private-key", key))
    assert "Failed to activate SuperNode" in said
    assert re.search(r'"POST /v1/fleet/activate-node HTTP/1.1" 4\d\d', up.superlink.log.read_text())


def test_a_superlink_with_a_foreign_certificate_is_refused_by_the_node(
    up: Topology, tmp_path: Path
) -> None:
    other = make(tmp_path / "other", 1)
    said = turned_away(
        up,
        tmp_path,
        ("--root-certificates", f"--root-certificates={other / 'superlink' / 'ca.crt'}"),
    )
    assert "certificate verify failed" in said.lower()


def test_a_node_that_talks_plainly_is_refused(up: Topology, tmp_path: Path) -> None:
    said = turned_away(
        up, tmp_path, ("--root-certificates", "--insecure"), ("--auth-supernode-private-key", "")
    )
    assert "Failed to initialize the connection" in said


def test_nobody_joined(up: Topology) -> None:
    flwr = Path(up.superlink.arguments[0]).with_name("flwr")
    done = subprocess.run(
        [flwr, "supernode", "list", "deploy", "--format", "json"],
        env=up.submit_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [node["status"] for node in json.loads(done.stdout)["nodes"]] == ["registered"] * NODES
