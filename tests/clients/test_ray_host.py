"""Ray's files lie in a folder of a short name; its workers take our modules, not namesakes."""

import subprocess
import sys
from pathlib import Path

import pytest

from clients.ray_host import import_paths, imported_there, short_folder
from tests.paths import ROOT


def test_rays_folder_may_be_named_and_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/var/tmp")
    assert short_folder() == "/var/tmp/ray"
    monkeypatch.setenv("RAY_TMPDIR", "/" + "x" * 50)
    monkeypatch.setattr("tempfile.tempdir", "/" + "x" * 60)
    assert short_folder() == "/tmp/ray"


def test_a_worker_takes_our_modules_and_not_those_of_the_folder(tmp_path: Path) -> None:
    """What Ray does: the driver's folder first on the worker's path, then the function arrives."""
    for name in ("fedgroup", "clients", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the namesake')")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import ray.cloudpickle
call = ray.cloudpickle.loads(sys.stdin.buffer.read())
print(call(), sys.path.index({str(tmp_path)!r}) > 3)
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        paths = [*[path for path in import_paths() if path != str(tmp_path)], str(tmp_path)]
        from ray import cloudpickle

        sent = cloudpickle.dumps(imported_there("clients.ray_host", "home", paths))
    done = subprocess.run(
        [sys.executable, "-c", code], input=sent, capture_output=True, cwd=tmp_path, check=False
    )
    assert done.stdout.decode() == f"{ROOT} True\n", done.stderr.decode()
