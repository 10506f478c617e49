"""A topology for tests: the toy task over three SuperNodes, submitted as users do."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.processes import Topology
from experiments.experiment import Experiment
from tests.paths import ROOT
from tests.toy import experiment

NODES = 3


def toy(**changes: Any) -> Experiment:
    """Three clients, all of them in every round."""
    return Experiment.of(
        experiment(task__partition__clients=NODES, federation__fraction=1.0, **changes)
    )


def topology(folder: Path, keys: Path | None = None) -> Topology:
    """Three SuperNodes that find the tests' modules and keep their files under `folder`."""
    trouble = folder / "trouble"
    trouble.mkdir(parents=True)
    (trouble / "plan.json").write_text("{}")
    environment = {"PYTHONPATH": str(ROOT), "FEDGROUP_TROUBLE": str(trouble)}
    return Topology(folder, NODES, keys, environment)


def plan(topology: Topology, troubles: Mapping[int, Mapping[int, str]]) -> Path:
    """From now on these clients misbehave in these rounds; returns the folder of their marks."""
    folder = topology.folder / "trouble"
    (folder / "plan.json").write_text(json.dumps(troubles))
    return folder


def broken_app(folder: Path) -> Path:
    """Flower app like ours, with the ClientApp that misbehaves."""
    folder.mkdir()
    text = (ROOT / "pyproject.toml").read_text()
    text = text.replace(
        'clientapp = "clients.client_app:app"', 'clientapp = "tests.deploy.broken:app"'
    )
    assert "tests.deploy.broken" in text
    (folder / "pyproject.toml").write_text(text)
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


def submit(
    topology: Topology, exp: Experiment, results: Path, timeout: float = 200.0, app: Path = ROOT
) -> subprocess.Popen[str]:
    """Submit one experiment the way `python -m deploy.compare` does; its output is one stream of text."""
    code = (
        "import json, sys; from pathlib import Path; from experiments.experiment import Experiment; "
        "from experiments.launch.flower_run import submit; "
        "spec, results, timeout, app = sys.argv[1:]; "
        "sys.exit(submit(Experiment.of(json.loads(spec)), 'deploy', Path(results), float(timeout), Path(app)))"
    )
    command = [sys.executable, "-c", code, exp.to_json(), str(results), str(timeout), str(app)]
    return subprocess.Popen(
        command,
        env={**topology.submit_environment(), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 280.0) -> tuple[int, str]:
    """Exit code and output of a submitted run; fails where it hangs."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"the run hangs: {process.communicate()[0][-2000:]}") from None
    return process.returncode, re.sub(r"\x1b\[[0-9;]*m", "", output)
