"""A federated run from start (or checkpoint) to result: the body of the ServerApp."""

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp import Grid

from fedgroup.dataset import Ints, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.evaluator import Evaluator
from fedgroup.layout import Layout, Weights, read, write
from fedgroup.model import build_model
from fedgroup.model_selection import summary
from fedgroup.partitions.partition import group_table, partition_hash
from fedgroup.run_directory import Checkpoint, Run, open_run, read_lines
from fedgroup.spec import run_id, to_dict
from fedgroup.task import Task, assign_clients, malicious_clients, placed_splits, prepared_splits
from strategies.cohort import schedule, schedule_hash
from strategies.federation import Federation
from strategies.records import to_record
from strategies.server.byzantine_clients import Forger, check_forgers
from strategies.server.flower_strategy import Hosted
from strategies.server.node_map import query_roster
from strategies.server.root_training import RootTrainer


def federate(grid: Grid, task: Task, federation: Federation, results: Path) -> Path:
    """Run (or finish) one federated experiment; returns its run directory.

    Everything random comes from task.seed, so an interrupted run that is started again ends with the
    records of an uninterrupted one.
    """
    parts = {"task": task, "federation": federation}
    folder = results / run_id(parts)
    splits = prepared_splits(task)
    shards = assign_clients(task)
    federation.check(len(shards))
    check_forgers(federation.byzantine, task.attackers.fraction)
    with open_run(folder, {name: to_dict(part) for name, part in parts.items()}) as run:
        _save_partition(folder, shards, splits)
        Server(run, task, federation, splits, list(shards)).serve(grid)
    return folder


class Server:
    """One run: the model that is evaluated, the strategy, and the records."""

    def __init__(
        self, run: Run, task: Task, federation: Federation, splits: Splits, shards: list[Ints]
    ) -> None:
        self.run = run
        self.task = task
        self.federation = federation
        self.splits = splits
        self.shards = shards
        self.device = pick()
        classes = len(splits.train.info.classes)
        self.model = build_model(task.model, classes, task.seed, self.device)
        self.layout = Layout.of(self.model)
        self.failed_rounds = 0
        self.record_seconds = 0.0
        """Time the last checkpoint took; it stands in the timing line of the round after."""

    def serve(self, grid: Grid) -> None:
        """Run all rounds that are missing and write the result."""
        rounds = self.federation.rounds
        cohorts = schedule(self.task.seed, len(self.shards), self.federation.fraction, rounds)
        rule = self.federation.rule()
        found = self.run.resume()
        self.evaluate = Evaluator(self.run, self.task, self.device, found)
        self.forger = Forger(
            self.federation.byzantine,
            frozenset(malicious_clients(self.task)),
            self.task.seed,
            self.federation.byzantine.init(self.layout.length("theta")),
        )
        if found is None:
            weights = read(self.model)
            state, first = rule.init(weights.theta), 0
        else:
            weights, state, first = self._restore(found)
        self.strategy = Hosted(
            self.federation,
            self.layout,
            cohorts,
            query_roster(grid, len(self.shards)),
            self.task.to_json(),
            weights,
            state,
            first,
            minority=self.splits.train.info.tiers.get("LRG-1", ()),
            root=self._root_trainer(),
            lanes=getattr(grid, "lanes", None),
            forger=self.forger,
            sizes=[len(shard) for shard in self.shards],
        )
        if first == 0 and found is None:
            self._after_round(0)
        if first < rounds:
            self.strategy.start(
                grid, to_record(weights), rounds - first, evaluate_fn=self._evaluate_fn
            )
        self._finish(schedule_hash(cohorts))

    def _root_trainer(self) -> RootTrainer | None:
        """Server-side training, for rules that carry a root set."""
        rule = self.federation.rule()
        size = getattr(rule, "root_size", None)
        if size is None:
            return None
        kind = getattr(rule, "root_set", "natural")
        train = placed_splits(self.task, self.device).train
        return RootTrainer(self.task, train, kind, size, self.model, self.device)

    def _evaluate_fn(self, server_round: int, _: ArrayRecord) -> MetricRecord | None:
        if server_round > 0:
            self._after_round(self.strategy.first + server_round)
        return None

    def _after_round(self, number: int) -> None:
        """Evaluate, record and checkpoint the state after round `number` (0 is the start)."""
        log = self.strategy.log
        row: dict[str, Any] = {"round": number}
        if number:
            ok = [client for client in log.clients if client["status"] == "ok"]
            losses = [client["loss"] for client in ok if client.get("loss") is not None]
            row |= {
                "cohort": log.cohort,
                "admitted": len(ok),
                "refused": [client for client in log.clients if client["status"] != "ok"],
                "failed": log.failed,
                "loss": sum(losses) / len(losses) if losses else None,
                **log.diagnostics,
            }
            self.failed_rounds += log.failed is not None
        start = time.perf_counter()
        last = number == self.federation.rounds
        if number % self.federation.eval_every == 0 or last:
            write(self.model, self.strategy.weights)
            row |= self.evaluate(number, self.model)[0]
        log.seconds["evaluate"] = time.perf_counter() - start
        self.run.append("rounds", row)
        for client in log.clients:
            self.run.append("clients", {"round": number, **client})
        timing = {name: round(value, 6) for name, value in log.seconds.items()}
        each = {str(client): round(value, 6) for client, value in log.client_seconds.items()}
        self.run.append(
            "timing", {"round": number, **timing, "record": self.record_seconds, "clients": each}
        )
        start = time.perf_counter()
        self._checkpoint(number)
        self.record_seconds = round(time.perf_counter() - start, 6)

    def _checkpoint(self, number: int) -> None:
        arrays = dict(self.strategy.weights.arrays())
        arrays |= {f"state.{name}": array for name, array in self.strategy.state.items()}
        arrays |= {f"forger.{name}": array for name, array in self.forger.state.items()}
        facts = {
            "layout": self.layout.hash(),
            "best": list(self.evaluate.best),
            "failed_rounds": self.failed_rounds,
        }
        self.run.checkpoint(number, arrays, facts)

    def _restore(self, found: Checkpoint) -> tuple[Weights, dict[str, Any], int]:
        if found.facts["layout"] != self.layout.hash():
            raise FedgroupError(
                f"the checkpoint in {self.run.folder} belongs to another model layout: delete the folder"
            )
        self.failed_rounds = int(found.facts["failed_rounds"])
        self.forger.state = found.part("forger")
        weights = Weights(*(found.arrays[name] for name in ("theta", "buffers", "counters")))
        return weights, found.part("state"), found.round

    def _finish(self, cohorts: str) -> None:
        rows = read_lines(self.run.folder, "rounds")
        info, rounds = self.splits.train.info, self.federation.rounds
        self.run.finish(
            {
                **summary(rows, info, rounds, self.failed_rounds),
                "hashes": {
                    "partition": partition_hash(self.shards),
                    "cohorts": cohorts,
                    "layout": self.layout.hash(),
                },
                "minority_influence": _mean([row.get("minority_influence") for row in rows]),
                "attacker_influence": _mean([row.get("attacker_influence") for row in rows]),
                "malicious": sorted(self.forger.malicious),
                "poisons": int(self.splits.train.poison.sum()),
                "buffers": self.federation.buffer_policy(),
                "parameters": self.layout.length("theta"),
            }
        )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _save_partition(folder: Path, shards: tuple[Ints, ...], splits: Splits) -> None:
    """Write samples per group and client: the table reviewers ask for."""
    table = group_table(list(shards), splits.train)
    temporary = folder / ".partition.tmp"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["client", *splits.train.info.groups, "poisons", "total"])
        for client, row in enumerate(table):
            writer.writerow([client, *(int(value) for value in row), int(np.sum(row))])
    temporary.replace(folder / "partition.csv")
