"""What a deployment adds to a run: a node's own data folder, a round's timeout, blanked run-config keys."""

from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, RecordDict

from clients.client_app import _data_root, _task
from experiments.experiment import Experiment
from experiments.launch import flower_run
from experiments.launch.flower_run import submit
from fedgroup.errors import FedgroupError
from fedgroup.task import Task
from strategies.server_app import read_config, read_timeout
from tests.deploy.site import ROOT, toy


def context(**node: Any) -> Context:
    config = {name.replace("_", "-"): value for name, value in node.items()}
    return Context(run_id=1, node_id=2, node_config=config, state=RecordDict(), run_config={})


def test_a_node_reads_its_own_folder_and_nothing_else_changes(tmp_path: Path) -> None:
    task = Experiment.of(
        {"task": {"data": {"use": "waterbirds", "root": "/server", "size": 64}}}
    ).task
    mine = _task(task.to_json(), _data_root(context(data_root=str(tmp_path))))
    assert mine.data.root == str(tmp_path) and mine.data.size == 64
    assert (mine.partition, mine.model, mine.train, mine.seed) == (
        task.partition,
        task.model,
        task.train,
        task.seed,
    )
    assert _task(task.to_json(), _data_root(context())).data.root == "/server"


def test_a_data_set_without_files_needs_no_folder(tmp_path: Path) -> None:
    assert _task(Task().to_json(), str(tmp_path)) == Task()


@pytest.mark.parametrize("value", ["/no/such/folder", 3])
def test_a_data_root_that_is_no_folder_is_named(value: Any) -> None:
    with pytest.raises(FedgroupError, match="no folder on this node"):
        _data_root(context(data_root=value))


def test_the_timeout_is_an_hour_unless_told() -> None:
    assert read_timeout("") == 3600.0
    assert read_timeout(20) == 20.0


@pytest.mark.parametrize("value", [0, -1.0, True, "soon", float("inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(FedgroupError, match="must be a positive number of seconds"):
        read_timeout(value)


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
