"""fedgroup itself: experiments.run.run(), the whole server path with records and checkpoints."""

import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.rounds_case import LR, MOMENTUM, SEED, Case, device
from benchmarks.rounds_turns import Turns, keep_theta, serve
from clients import client_app
from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.layout import Weights
from fedgroup.task import Task
from fedgroup.update import Update
from strategies.server.federated_run import Server


def give_back(task: Task, client: int, number: int, weights: Weights, layout: str) -> Update:
    """Stand-in for local_update: no training at all."""
    return Update(client=client, examples=48, loss=0.0, groups=(12, 12, 12, 12), weights=weights)


def experiment(case: Case) -> Experiment:
    rounds = case.settle + case.rounds
    images = {"samples": case.clients * case.samples, "size": case.size}
    model = (
        {"use": "benchmarks.rounds_case:Cnn"}
        if case.model == "cnn"
        else {"use": case.model, "init": "scratch"}
    )
    return Experiment.of(
        {
            "task": {
                "data": {"use": "benchmarks.rounds_case:Images", **images},
                "partition": {"use": "benchmarks.rounds_case:Contiguous", "clients": case.clients},
                "model": model,
                "train": {
                    "epochs": case.epochs,
                    "batch_size": case.batch,
                    "lr": LR,
                    "momentum": MOMENTUM,
                    "precision": case.precision,
                },
                "seed": SEED,
            },
            "federation": {
                "aggregator": "fedavg",
                "rounds": rounds,
                "fraction": case.per_round / case.clients,
                "eval_every": rounds,
            },
        }
    )


def watch_rounds() -> list[float]:
    """The moments at which rounds end, records and checkpoint included."""
    stamps: list[float] = []
    after_round = Server._after_round

    def stamped(self: Server, number: int) -> None:
        after_round(self, number)
        stamps.append(time.perf_counter())

    Server._after_round = stamped
    return stamps


def split(rows: list[dict[str, Any]], walls: list[float]) -> dict[str, float]:
    """Mean seconds per round of everything the records time, and the rest of the wall time."""
    parts = [
        {k: v for k, v in row.items() if k != "round" and isinstance(v, float)} for row in rows
    ]
    names = sorted({name for part in parts for name in part})
    means = {name: sum(part.get(name, 0.0) for part in parts) / len(parts) for name in names}
    return {**means, "rest": sum(walls) / len(walls) - sum(means.values())}


def main() -> None:
    case, theta = Case.from_json(sys.argv[1]), sys.argv[2]
    turns = Turns()
    options: dict[str, Any] = {}
    if case.workers > 1:
        try:
            from clients.resources import Resources
        except ImportError:
            turns.say(absent="this fedgroup has no workers: clients/ray_grid.py is not there")
            return
        options["resources"] = Resources(workers=case.workers, threads=torch.get_num_threads())
    if not case.train:
        client_app.local_update = give_back
    spec = experiment(case)
    stamps = watch_rounds()

    def block() -> dict[str, Any]:
        stamps.clear()
        with tempfile.TemporaryDirectory(prefix="bench-rounds-") as results:
            start = time.perf_counter()
            folder = run(spec, Path(results), **options)
            rows = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
            with np.load(folder / "checkpoint.npz") as stored:
                keep_theta(theta, stored["theta"])
        walls = [b - a for a, b in pairwise(stamps)][case.settle :]
        rows = rows[1 + case.settle :]
        evaluated = sum(row.get("evaluate", 0.0) for row in rows)
        return {
            "seconds": (sum(walls) - evaluated) / len(walls),
            "start": stamps[0] - start,
            "split": split(rows, walls),
        }

    torch.empty(1, device=device())
    serve(block, turns)


if __name__ == "__main__":
    main()
