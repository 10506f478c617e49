"""What env.json says."""

import json
from pathlib import Path

from fedgroup.run_directory import open_run
from tests.fedgroup.test_run_directory import SPEC


def test_environment_is_written(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", SPEC):
        pass
    env = json.loads((tmp_path / "run" / "env.json").read_text())
    assert {"python", "packages", "cores", "threads", "device", "commit", "started"} <= set(env)
