"""A submitted experiment arrives as it left."""

from pathlib import Path
from typing import Any

import pytest

from experiments.experiment import Experiment
from experiments.launch import flower_run
from experiments.launch.flower_run import submit
from fedgroup.errors import FedgroupError
from strategies.server_app import read_config
from tests.deploy.site import ROOT, toy


def test_a_submitted_experiment_arrives_as_it_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tomllib

    from flwr.common.config import flatten_dict

    seen: dict[str, Any] = {}

    def catch(arguments: list[str], app: Path) -> int:
        seen.update(flatten_dict(tomllib.loads(Path(arguments[2]).read_text())))
        return 0

    monkeypatch.setattr(flower_run, "flower_run", catch)
    sent = toy(federation__aggregator="median", task__seed=7)
    assert submit(sent, "deploy", tmp_path, 30.0, ROOT) == 0
    assert seen.pop("timeout") == 30.0
    known = flatten_dict(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    )
    assert set(seen) | {"timeout"} == set(known) | {"timeout"}
    task, federation, results = read_config(seen)
    assert Experiment(task, federation).id == sent.id
    assert results == tmp_path


def test_a_folder_without_the_app_is_named(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="holds no Flower app"):
        submit(toy(), "deploy", tmp_path, 30.0, tmp_path)
