"""Clients on Ray actors: the same bits as in-process, and no run lost with a worker."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from flwr.app import ConfigRecord, Message, RecordDict

from clients.ray_grid import RayGrid, start_ray
from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch.scheduler import launch
from experiments.run import run
from experiments.tables.load import load
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import read_lines
from strategies.cohort_schedule import schedule
from strategies.server.federated_run import federate
from tests import ray_app
from tests.odd_models import MODELS
from tests.toy import experiment

pytestmark = pytest.mark.filterwarnings(  # Ray leaves its own processes to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore::FutureWarning:ray",
)
RECORDS = ("rounds.jsonl", "clients.jsonl", "partition.csv", "result.json", "best.npz")


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    """One Ray for all tests here: a grid uses the one that is there."""
    start_ray(Resources(workers=4))
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def grid(one_ray: None) -> Iterator[RayGrid]:
    """Two workers for all tests that can share them."""
    shared = RayGrid("tests.ray_app:app", 8, Resources(workers=2))
    yield shared
    shared.close()


@pytest.fixture(autouse=True)
def no_trouble(own_cache: Path) -> Iterator[None]:
    yield
    ray_app.clear()


def make(**changes: Any) -> Experiment:
    return Experiment.of(experiment(**changes))


def records(folder: Path) -> dict[str, Any]:
    """Everything a run leaves that must not depend on where it ran."""
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in RECORDS}
    with np.load(folder / "checkpoint.npz") as stored:
        return found | {name: stored[name].tobytes() for name in stored.files if name != "__head__"}


def processes(grid: RayGrid) -> set[int]:
    """Process ids of the workers that wait now."""
    return set(ray.get([actor.process_id.remote() for actor in grid._idle]))


def federate_on(grid: RayGrid, exp: Experiment, folder: Path) -> Path:
    return federate(grid, exp.task, exp.federation, folder)


@pytest.mark.parametrize("rule", ["fedavg", {"use": "sparsefed", "k": 0.1, "rho": 0.9}], ids=str)
def test_two_workers_equal_the_in_process_grid_bit_for_bit(
    rule: Any, grid: RayGrid, tmp_path: Path
) -> None:
    exp = make(federation__aggregator=rule)
    plain = records(run(exp, tmp_path / "plain"))
    assert records(federate_on(grid, exp, tmp_path / "ray")) == plain


@pytest.mark.parametrize("name", MODELS)
def test_state_that_is_not_in_the_vector_is_the_same_on_workers(
    name: str, grid: RayGrid, tmp_path: Path
) -> None:
    exp = make(task__model=f"tests.odd_models:{name}", federation__rounds=2)
    plain = records(run(exp, tmp_path / "plain"))
    assert records(federate_on(grid, exp, tmp_path / "ray")) == plain


def test_one_worker_through_ray_equals_the_in_process_grid(tmp_path: Path) -> None:
    exp = make()
    on_ray = run(exp, tmp_path / "ray", Resources(workers=1, ray_address="auto"))
    assert records(on_ray) == records(run(exp, tmp_path / "plain"))


def test_a_killed_worker_is_replaced_and_its_client_tried_again(
    grid: RayGrid, tmp_path: Path
) -> None:
    exp = make()
    plain = records(run(exp, tmp_path / "plain"))
    cohorts = schedule(0, 8, 0.5, exp.federation.rounds)
    ray_app.plan("kill", int(cohorts[0][0]), 1)
    ray_app.plan("memory", int(cohorts[0][1]), 1)
    before = processes(grid)
    assert records(federate_on(grid, exp, tmp_path / "ray")) == plain
    after = processes(grid)
    assert len(after) == len(before) == 2
    assert before - after  # the killed one at least
    assert not list(ray_app.folder().glob("*"))  # both happened


@pytest.mark.parametrize(
    ("kind", "words"),
    [("kill", "its worker died in 2 tries"), ("memory", "it ran out of memory in 2 tries")],
)
def test_a_client_that_fails_twice_is_recorded_and_the_others_go_on(
    kind: str, words: str, grid: RayGrid, tmp_path: Path
) -> None:
    exp = make(federation__rounds=1)
    victim = int(schedule(0, 8, 0.5, 1)[0][1])
    ray_app.plan(kind, victim, 2)
    folder = federate_on(grid, exp, tmp_path)
    row = read_lines(folder, "rounds")[1]
    assert row["admitted"] == 3
    assert row["failed"] is None
    assert [(r["client"], r["status"]) for r in row["refused"]] == [(victim, "failed")]
    assert words in row["refused"][0]["reason"]


def test_policy_fail_stops_the_run_and_keeps_what_was_recorded(
    grid: RayGrid, tmp_path: Path
) -> None:
    exp = make(federation__on_failure="fail", federation__rounds=2)
    plain = run(exp, tmp_path / "plain")
    victim = int(schedule(0, 8, 0.5, 2)[1][0])
    first = {int(client) for client in schedule(0, 8, 0.5, 2)[0]}
    if victim in first:
        victim = next(int(c) for c in schedule(0, 8, 0.5, 2)[1] if int(c) not in first)
    ray_app.plan("raise", victim, 1)
    with pytest.raises(
        FedgroupError, match=f"round 2: client {victim}: RuntimeError: a client's own fault"
    ):
        federate_on(grid, exp, tmp_path / "ray")
    cut = tmp_path / "ray" / exp.id
    assert [row["round"] for row in read_lines(cut, "rounds")] == [0, 1]
    assert records(federate_on(grid, exp, tmp_path / "ray")) == records(plain)


def questions(nodes: list[int], kind: str = "query") -> list[Message]:
    content = RecordDict({"config": ConfigRecord({"round": 1})})
    return [Message(content, node, kind, group_id="0") for node in nodes]


CLUSTER_TABLE = """
title: On a cluster
base:
  task:
    data: tests.toy:ToyData
    model: tests.toy:ToyModel
    partition: {use: iid, clients: 8}
    train: {epochs: 1, batch_size: 4}
  federation: {rounds: 3, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg}, set: {}}
  - {label: {METHOD: Broken}, set: {federation: {aggregator: {use: trimmed_mean, trim: 2}}}}
seeds: [0]
"""


def test_whole_runs_on_a_cluster_and_a_failing_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(CLUSTER_TABLE)
    table = load(str(path))
    runs = [
        (experiment, row.label["METHOD"]) for row in table.rows for experiment in row.experiments
    ]
    place = Resources(ray_address=ray.get_runtime_context().gcs_address)
    found = launch(runs, tmp_path / "cluster", 2, lambda watched: None, place)
    assert [run.state for run in found] == ["done", "failed"]
    assert found[1].reason.startswith("TrimmedMean needs 5 valid clients per round")
    assert records(tmp_path / "cluster" / runs[0][0].id) == records(
        run(runs[0][0], tmp_path / "plain")
    )


def test_late_clients_are_left_out_and_their_worker_replaced(grid: RayGrid) -> None:
    list(grid.send_and_receive(questions([2, 3, 4, 5])))  # both workers have started
    ray_app.plan("sleep", 1, 1)
    asked = questions([2, 3, 4, 5], "train")  # the real app refuses this content: an error reply
    replies = list(grid.send_and_receive(asked, timeout=10))
    assert sorted(reply.metadata.src_node_id for reply in replies) == [2, 4, 5]
    again = list(grid.send_and_receive(questions([2, 3, 4, 5]), timeout=200))
    assert sorted(reply.content["metrics"]["partition-id"] for reply in again) == [0, 1, 2, 3]


def test_state_of_a_client_follows_it_from_worker_to_worker() -> None:
    grid = RayGrid("tests.ray_app:counting", 3, Resources(workers=2))
    try:
        for turn in range(3):
            ids = grid.push_messages(questions([2, 3, 4]))
            answers = [reply.content["answer"] for reply in grid.pull_messages(ids)]
            assert [answer["n"] for answer in answers] == [turn] * 3
            assert {answer["process"] for answer in answers} <= set(grid.processes)
        assert list(grid.pull_messages(ids)) == []
    finally:
        grid.close()


def test_more_workers_than_the_cluster_holds_are_refused() -> None:
    with pytest.raises(
        FedgroupError, match=r"64 workers with 1 thread.*do not fit into 4 CPUs.*lower --workers"
    ):
        RayGrid("tests.ray_app:app", 4, Resources(workers=64))
    with pytest.raises(FedgroupError, match="2 workers with 1 thread.*0.5 GPU each do not fit"):
        RayGrid("tests.ray_app:app", 4, Resources(workers=2, gpus_per_client=0.5))


def test_a_worker_that_cannot_start_is_one_line() -> None:
    with pytest.raises(FedgroupError, match="a worker could not start"):
        RayGrid("tests.no_such_module:app", 4, Resources(workers=1))


def test_results_name_no_runtime(tmp_path: Path) -> None:
    """What a run records does not say where it ran; only the timings and env.json do."""
    folder = run(make(federation__rounds=1), tmp_path, Resources(workers=2))
    texts = ("spec.json", "result.json", "partition.csv", "rounds.jsonl", "clients.jsonl")
    recorded = "".join((folder / name).read_text() for name in texts)
    for word in ("workers", "threads", "ray_address", sys.executable, str(tmp_path)):
        assert word not in recorded
    row = read_lines(folder, "timing")[1]
    assert set(row) == {"round", "train", "transfer", "aggregate", "evaluate", "record", "clients"}
    assert len(row["clients"]) == 4
