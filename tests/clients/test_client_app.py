"""A node's own data folder."""

from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, RecordDict

from clients.client_app import _data_root, _task
from experiments.experiment import Experiment
from fedgroup.errors import FedgroupError
from fedgroup.task import Task


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
