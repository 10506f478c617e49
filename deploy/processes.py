"""A SuperLink and its SuperNodes as processes on loopback, each with its own port, home and log.

Every process leads a group of its own, so that stopping (or killing) one takes its helpers with it.
Ports are taken free, health is Flower's own HTTP address, and leaving the context stops everything.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from deploy.arguments import QUIET, SuperLink, SuperNode, write_connection
from deploy.health import healthy
from deploy.register import register
from fedgroup.errors import FedgroupError

HOST = "127.0.0.1"
START_SECONDS = 120.0
"""Longest wait for a process to say that it is healthy."""


@dataclass
class Process:
    """One running program, its log, and the port on which it answers."""

    name: str
    """What errors call it."""
    arguments: Sequence[str]
    """Program and arguments."""
    environment: Mapping[str, str]
    """All of its environment."""
    log: Path
    """File that its output is appended to."""
    port: int
    """Port of its health address."""
    running: subprocess.Popen[bytes] | None = None
    """The process, once it was started."""

    def start(self) -> None:
        """Start it; append what it says to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                list(self.arguments),
                env=dict(self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Return whether it still runs."""
        return self.running is not None and self.running.poll() is None

    def kill(self) -> None:
        """End it and its helpers at once, as a power cut would."""
        self._signal(signal.SIGKILL)
        if self.running is not None:
            self.running.wait()

    def stop(self, patience: float = 10.0) -> None:
        """Ask it to end; kill it after `patience` seconds."""
        self._signal(signal.SIGTERM)
        if self.running is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.running.wait(patience)
        self.kill()

    def _signal(self, number: int) -> None:
        if self.running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running.pid, number)

    def last_line(self) -> str:
        """Return the last line of its log, for an error."""
        lines = [
            line.strip()
            for line in self.log.read_text(errors="replace").splitlines()
            if line.strip()
        ]
        return lines[-1][:300] if lines else "it wrote nothing"


@dataclass
class Topology:
    """One SuperLink and its SuperNodes; a context that starts and stops them."""

    folder: Path
    """Their files: flwr/ is the FLWR_HOME to submit with (its connection is called `deploy`), logs/
    holds a log per process, state.db the SuperLink's memory, which survives a restart."""
    nodes: int = 3
    """Number of SuperNodes."""
    keys: Path | None = None
    """Folder that deploy.keys wrote: TLS and SuperNode authentication; None: insecure."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Set for every process, over this process's own environment."""
    data_root: str = ""
    """Folder of the data files, where the data set has some."""

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise FedgroupError(f"a topology needs at least 1 SuperNode, got {self.nodes}")
        self.folder = self.folder.resolve()
        self.port, *ports = free_ports(self.nodes + 1)
        self.superlink = self._process("superlink", self._superlink(), self.port)
        self.supernodes = [
            self._process(f"supernode-{number}", self._supernode(number, port), port)
            for number, port in enumerate(ports)
        ]

    def __enter__(self) -> "Topology":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the SuperLink, then the SuperNodes, and wait until all of them are healthy."""
        self.start_superlink()
        for node in self.supernodes:
            node.start()
        for node in self.supernodes:
            self.wait(node)

    def start_superlink(self) -> None:
        """Start the SuperLink and, with keys, register its SuperNodes."""
        keys = self._keys("superlink")
        write_connection(self.folder / "flwr", f"{HOST}:{self.port}", keys)
        self.superlink.start()
        self.wait(self.superlink)
        if keys is not None:
            register(keys, self.submit_environment())

    def stop(self) -> None:
        """Stop everything, the SuperNodes first."""
        for process in [*self.supernodes, self.superlink]:
            process.stop()

    def wait(self, process: Process) -> None:
        """Wait until a process answers on its port; refuse one that ends or stays silent."""
        keys = self._keys("superlink") if process is self.superlink else None
        authority = None if keys is None else keys / "ca.crt"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not process.alive():
                raise FedgroupError(
                    f"{process.name} ended: {process.last_line()} (log: {process.log})"
                )
            if healthy(process.port, authority):
                return
            time.sleep(0.2)
        raise FedgroupError(
            f"{process.name} was not healthy after {START_SECONDS:.0f} s: see its log {process.log}"
        )

    def submit_environment(self) -> dict[str, str]:
        """Return an environment in which `flwr` and `fedgroup flwr` know our connection."""
        return self._environment("flwr")

    def _superlink(self) -> list[str]:
        return SuperLink(
            HOST, self.port, self.folder / "state.db", self._keys("superlink")
        ).command()

    def _supernode(self, number: int, port: int) -> list[str]:
        return SuperNode(
            f"{HOST}:{self.port}",
            number,
            self.nodes,
            port,
            data_root=self.data_root,
            keys=self._keys(f"supernode-{number}"),
        ).command()

    def _keys(self, machine: str) -> Path | None:
        return None if self.keys is None else self.keys.resolve() / machine

    def _process(self, name: str, arguments: list[str], port: int) -> Process:
        program = [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]]
        return Process(
            name, program, self._environment(name), self.folder / "logs" / f"{name}.txt", port
        )

    def _environment(self, name: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        home = {"FLWR_HOME": str(self.folder / name), "PATH": path}
        return {**os.environ, **QUIET, **home, **self.environment}


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for taken in sockets:
            taken.bind((HOST, 0))
        return [int(taken.getsockname()[1]) for taken in sockets]
    finally:
        for taken in sockets:
            taken.close()
