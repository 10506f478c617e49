"""The program around the commands: namesakes, standard output, Ctrl-C, one line each."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.__main__ import look_here_last
from experiments.cli import program
from experiments.cli.program import GOES_ON, Interrupted, Stop, open_streams
from tests.experiments.command_line import COMMAND, ENVIRONMENT
from tests.paths import ROOT

HERE = [sys.executable, "-c", "from experiments.__main__ import main; main()"]
"""The console script, whose Python does not look into the current folder by itself."""


def command(*words: str, cwd: Path, **streams: object) -> "subprocess.CompletedProcess[bytes]":
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    environment = {**ENVIRONMENT, **streams.pop("env", {})} if "env" in streams else ENVIRONMENT  # type: ignore[dict-item]
    given["env"] = environment
    return subprocess.run([*COMMAND, *words], cwd=cwd, check=False, **given)  # type: ignore[call-overload,no-any-return]


def test_namesakes_in_the_current_folder_hide_nothing(tmp_path: Path) -> None:
    """json.py, yaml.py, torch.py, signal.py, and folders called as our packages: all of them raise."""
    for name in ("json", "yaml", "torch", "signal", "pathlib", "typer"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the namesake')\n")
    for name in ("fedgroup", "strategies", "clients", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text("raise RuntimeError('the namesake')\n")
    (tmp_path / "my_rules.py").write_text("VALUE = 1\n")
    code = (
        "import sys; sys.argv[0] = 'fedgroup'; from experiments.__main__ import look_here_last; "
        "sys.path.insert(0, ''); look_here_last(); import fedgroup, my_rules, json, yaml; "
        "print(fedgroup.__file__, my_rules.VALUE, sys.path.index(''), len(sys.path) - 1)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    file, value, place, last = done.stdout.rsplit(maxsplit=3)
    assert (Path(file), value) == (ROOT / "fedgroup" / "__init__.py", "1")
    assert place == last, "the current folder is looked into last"


def test_the_current_folder_is_looked_into_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/a", str(tmp_path), "/b"])
    look_here_last()
    assert sys.path == ["/a", "/b", ""]


# --- standard output ------------------------------------------------------------------------------


def test_any_character_can_be_written_to_an_ascii_output(tmp_path: Path) -> None:
    code = (
        "from experiments.cli.program import open_streams; open_streams(); "
        "from rich.console import Console; Console().print('\\u25b6 \\u03c1 \\u2502'); import sys; sys.stderr.write('\\u03c1')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"? ? ?\n", b"?")


def test_closed_streams_lead_nowhere(tmp_path: Path) -> None:
    """A file opened later must not take the place of standard output."""
    code = (
        "from experiments.cli.program import open_streams; open_streams(); import sys, os; "
        "file = open(sys.argv[1], 'w'); print('lost'); sys.stderr.write('lost'); sys.stdout.flush(); "
        "file.write(str(file.fileno() > 2)); file.close()"
    )
    words = f'{sys.executable} -c "{code}" {tmp_path / "f"} <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", words], cwd=ROOT, check=False).returncode == 0
    assert (tmp_path / "f").read_text() == "True"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_output_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = command("--help", cwd=tmp_path, stdout=full)
    assert done.returncode == 1
    assert done.stderr == (
        b"fedgroup: cannot write to standard output (No space left on device): send it elsewhere; "
        b"runs go on where they stopped\n"
    )


def test_a_reader_that_has_gone_is_no_error_to_tell(tmp_path: Path) -> None:
    words = f"{' '.join(COMMAND)} --help | true"
    done = subprocess.run(
        ["sh", "-c", words], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, check=False
    )
    assert done.stderr == b""


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_an_interruption_is_one_line_however_often(number: int, times: int, tmp_path: Path) -> None:
    """The command waits in the middle of something, and cleans up for long after the first one."""
    code = """
import time
from pathlib import Path
from experiments.cli import app as commands, program
def app():
    try:
        Path("started").touch()
        time.sleep(60)
    finally:
        Path("cleaning").touch()
        if TIMES == 2:
            time.sleep(60)
commands.app = app
program.run_program()
""".replace("TIMES", str(times))
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE
    ) as running:
        for sign in ("started", "cleaning")[:times]:
            deadline = time.monotonic() + 60
            while not (tmp_path / sign).exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            running.send_signal(number)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert errors.decode() == f"\nfedgroup: {GOES_ON}\n"


def test_an_interruption_that_a_library_turns_into_an_error_is_one_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = Stop()

    def app() -> None:
        try:
            stop()
        except Interrupted as error:
            raise ImportError("numpy did not load") from error

    monkeypatch.setattr("experiments.cli.app.app", app)
    assert program._exit_code(stop) == 0
    assert stop.asked
    stop.say()
    assert capfd.readouterr().err == f"\nfedgroup: {GOES_ON}\n"


def test_streams_that_are_open_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout
    open_streams()
    assert sys.stdout is before
