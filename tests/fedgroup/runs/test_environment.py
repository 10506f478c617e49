"""What env.json says; a commit is told only where it is that of our own checkout."""

import json
import subprocess
from pathlib import Path

import pytest

from fedgroup.runs.environment import OURS, _commit, continued
from fedgroup.runs.run_directory import open_run
from tests.fedgroup.runs.test_run_directory import SPEC


def test_environment_is_written(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", SPEC):
        pass
    env = json.loads((tmp_path / "run" / "env.json").read_text())
    assert {"python", "packages", "cores", "threads", "device", "commit", "started"} <= set(env)


def checkout(folder: Path) -> Path:
    """A folder that holds our file, as a checkout or an installation does."""
    (folder / OURS).parent.mkdir(parents=True)
    (folder / OURS).write_text("")
    return folder


def repository(folder: Path, *files: str) -> str:
    """Make `folder` a git repository with one commit of `files`; return the commit."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    commit = (*identity, "commit", "-qm", "x")
    for words in (("init", "-q"), ("add", "-f", *files), commit):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return subprocess.check_output(
        ["git", "rev-parse", "--short", "HEAD"], cwd=folder, text=True
    ).strip()


def test_the_commit_is_that_of_our_checkout(tmp_path: Path) -> None:
    home = checkout(tmp_path / "fedgroup é x")
    commit = repository(home, OURS)
    assert _commit(home) == commit
    (home / OURS).write_text("changed")
    assert _commit(home) == f"{commit}-dirty"


@pytest.mark.parametrize("place", ["", "vendor", ".venv/lib/site-packages"])
def test_a_repository_around_us_lends_no_commit(place: str, tmp_path: Path) -> None:
    """We lie in somebody else's repository: below it, installed in it, or untracked at its top."""
    home = checkout(tmp_path / place)
    (tmp_path / "theirs.txt").write_text("")
    repository(tmp_path, "theirs.txt")
    assert _commit(home) == "unknown"


def test_a_hooks_git_dir_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = checkout(tmp_path / "theirs")
    repository(theirs, OURS)
    home = checkout(tmp_path / "ours")
    monkeypatch.setenv("GIT_DIR", str(theirs / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(home))
    assert _commit(home) == "unknown"


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _commit(checkout(tmp_path / "x")) == "unknown"


def test_the_environments_of_a_run_that_goes_on_elsewhere_are_kept() -> None:
    first = {"started": "1", "commit": "a", "cores": 2}
    assert continued(None, first) == first
    again = {"started": "2", "commit": "a", "cores": 2}
    assert continued(first, again) == again, "only the start differs"
    moved = {"started": "3", "commit": "b", "cores": 8}
    both = continued(again, moved)
    assert both == {**moved, "before": [again]}
    assert continued(both, first)["before"] == [again, moved]
