"""Odd machines and two commands at once give the bytes of a plain run; bad folders are one line."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from experiments.launch.folder_health import require_writable
from fedgroup.errors import FedgroupError
from tests.experiments.command_line import COMMAND, ENVIRONMENT, TABLE, fedgroup

KEPT = ("rounds.jsonl", "clients.jsonl", "partition.csv", "best.npz")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/*") if p.name in KEPT
    }


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with spaces and letters of other alphabets, full of namesakes of what is imported."""
    folder = tmp_path / "für alle 日本 $x"
    for name in ("fedgroup", "clients", "experiments", "strategies"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise RuntimeError('the namesake')\n")
    for name in ("yaml", "json", "torch"):
        (folder / f"{name}.py").write_text("raise RuntimeError('the namesake')\n")
    (folder / ("t" * 90)).mkdir()
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "PYTHONHASHSEED": "1",
        "OMP_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "3",
        "LC_ALL": "de_DE.UTF-8",
        "PYTHONIOENCODING": "ascii",
        "MPLBACKEND": "no_such_backend",
        "TMPDIR": str(folder / ("t" * 90)),
        "HOME": "/proc/1/nobody",
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_commands_at_once_on_an_odd_machine_both_end_with_the_bytes_of_one(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    text = TABLE.replace("ROUNDS", "5").replace("seeds: [0, 1]", "seeds: [0]")
    plain = tmp_path / "plain"
    plain.mkdir()
    for folder in (odd, plain):
        (folder / "toy.yaml").write_text(text)
    words = [
        "sh",
        "-c",
        'umask 077; exec "$@"',
        "sh",
        *COMMAND_SAFE,
        "run",
        "toy.yaml",
        "--jobs",
        "1",
    ]
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(
                    words,
                    cwd=odd,
                    env=environment(odd),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
            for _ in range(2)
        ]
        assert fedgroup("run", "toy.yaml", cwd=plain).returncode == 0
        said = [command.communicate(timeout=300)[0].decode("ascii") for command in both]
    assert [command.returncode for command in both] == [0, 0], "\n".join(said)
    assert all("FedAvg, IID: done" in text or "2 done" in text for text in said), said
    assert not any("Traceback" in text for text in said)
    assert files(odd / "results") == files(plain / "results") != {}
    assert not list((odd / "results").rglob("*.tmp"))
    assert (odd / "results" / "reports" / "toy" / "curves.png").exists()


COMMAND_SAFE = [COMMAND[0], "-P", *COMMAND[1:]]
"""As the console script: Python itself does not look into the current folder."""


@pytest.mark.parametrize("where", ["file", "file/below", "/dev/null", "/proc/results"])
def test_results_that_cannot_be_written_are_one_line(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before anything is prepared or run."""
    (tmp_path / "file").write_text("")
    (tmp_path / "toy.yaml").write_text(TABLE.replace("ROUNDS", "1"))
    done = fedgroup("run", "toy.yaml", "--results", where, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fedgroup: cannot write to {where} (")
    assert done.stderr.endswith("choose another folder with --results\n")
    assert done.stderr.count("\n") == 1


def test_a_read_only_mount_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(FedgroupError, match=r"\(Read-only file system\): choose another"):
        require_writable(tmp_path, "choose another")


def test_a_try_leaves_nothing_behind(tmp_path: Path) -> None:
    require_writable(tmp_path / "new é", "choose another")
    assert list((tmp_path / "new é").iterdir()) == []
