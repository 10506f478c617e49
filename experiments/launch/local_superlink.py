"""The SuperLink behind `fedgroup flwr local`: one of our own for this command, gone with it.

Flower starts one that stays, on a fixed port that belongs to whoever was first on this machine. A
SuperLink that answers there already is used and left alone; else ours takes free ports, and it is
stopped by its process id.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from clients.ray_host import short_folder
from fedgroup.errors import FedgroupError
from fedgroup.host.locks import Lock
from fedgroup.host.sharing import make_folder, why

ADDRESSES = (":local:", ":local-in-memory:")
"""What a connection in Flower's config.toml says that means a SuperLink on this machine."""
PORT, CONTROL = "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT", "FLWR_LOCAL_CONTROL_API_PORT"
"""Variables in which Flower looks for the ports of that SuperLink."""
USUAL = "39091"
START_SECONDS = 60.0
STOP_SECONDS = 15.0


@contextmanager
def local_superlink(connection: str | None) -> Iterator[dict[str, str]]:
    """Start a SuperLink where a connection needs one; stop it when the block ends.

    Args:
        connection: Name of the connection; None: the default one.

    Yields:
        The environment for Flower's commands.

    Raises:
        FedgroupError: It cannot be started.
    """
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # one thread, as in all runs: other counts round differently
    ours = {"RAY_TMPDIR": str(Path(short_folder()).parent), "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **ours, "PATH": programs}
    port = int(os.environ.get(PORT) or USUAL)
    if not is_local(connection):
        yield environment
    elif answers(port):
        print(f"Using the SuperLink that answers on port {port} already; it is left running")
        yield environment
    else:
        with _started(environment) as ports:
            yield environment | ports


def flower_home() -> Path:
    """Return Flower's folder of settings, as Flower finds it."""
    return Path(os.environ.get("FLWR_HOME") or Path.home() / ".flwr")


def is_local(connection: str | None) -> bool:
    """Return whether a connection means a SuperLink on this machine that Flower would start."""
    try:
        text = (flower_home() / "config.toml").read_text(encoding="utf-8")
        known = tomllib.loads(text).get("superlink", {})
    except FileNotFoundError:  # Flower writes one in which `local` is the default
        return connection in (None, "local")
    except (OSError, ValueError):
        return False  # Flower says what is wrong with it
    chosen = known.get(connection or known.get("default"))
    return isinstance(chosen, dict) and chosen.get("address") in ADDRESSES


def answers(port: int) -> bool:
    """Return whether a SuperLink answers on a port of this machine; no proxy is asked."""
    try:
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


@contextmanager
def _started(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Run a SuperLink on free ports; yield the variables that lead Flower's commands to it."""
    folder = flower_home() / "local-superlink"
    lock = Lock(folder / "fedgroup.lock")
    try:
        make_folder(folder)
        alone = lock.acquire()  # a second one at the same time keeps its runs in memory
    except OSError as error:
        raise FedgroupError(
            f"cannot write to {folder} ({why(error)}): set FLWR_HOME to a writable folder"
        ) from error
    port, control = free_ports(2)
    log = folder / (f"superlink-{port}.log" if not alone else "superlink.log")
    try:
        process = _start(_command(port, control, log, folder if alone else None), environment)
        try:
            _wait(process, port, log)
            yield {PORT: str(port), CONTROL: str(control)}
        finally:
            stop(process)
    finally:
        lock.release()


def _command(port: int, control: int, log: Path, home: Path | None) -> list[str]:
    """Return program and arguments, as Flower 1.41 has them; the runs are kept in `home`."""
    return [
        str(Path(sys.executable).with_name("flower-superlink")),
        *("--insecure", "--simulation", "--isolation", "subprocess"),
        *("--control-api-address", f"127.0.0.1:{control}"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-file", str(log)),
        *(["--database", str(home / "state.db")] if home is not None else []),
    ]


def _start(command: Sequence[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            env=environment | {"FLWR_DISABLE_UPDATE_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a group of its own: stopping it stops what it started
            preexec_fn=_end_with_parent(),
        )
    except OSError as error:
        raise FedgroupError(f"Flower's command is not there ({error}): pip install flwr") from error


def _end_with_parent() -> Callable[[], None] | None:
    """Return what a child calls so that Linux ends it when its parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    control = ctypes.CDLL(None).prctl
    return lambda: control(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise FedgroupError(
                f"Flower's SuperLink did not start on port {port}: see its log {log}"
            )
        time.sleep(0.1)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process that we started, and its group; nothing else is touched."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for taken in sockets:
            taken.bind(("127.0.0.1", 0))
        return [int(taken.getsockname()[1]) for taken in sockets]
    finally:
        for taken in sockets:
            taken.close()
