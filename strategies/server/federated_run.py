"""A federated run from start (or checkpoint) to result: the body of the ServerApp."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp import Grid

from fedgroup.dataset import Ints, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.evaluator import Evaluator
from fedgroup.frozen import check_same_model, model_facts, model_hash
from fedgroup.identity.run_identity import content_digest, identity
from fedgroup.layout import Layout, Weights, read, write
from fedgroup.model import build_model
from fedgroup.model_selection import summary
from fedgroup.partitions.partition import partition_hash
from fedgroup.partitions.partition_table import save_partition
from fedgroup.runs.checkpoint import Checkpoint
from fedgroup.runs.poison_table import save_poisons
from fedgroup.runs.result_file import read_result
from fedgroup.runs.run_directory import RESULT, Run, open_run, read_lines
from fedgroup.spec import to_dict
from fedgroup.task import (
    Task,
    forget_changed_data,
    malicious_clients,
    placed_splits,
    prepared_splits,
)
from fedgroup.update import ClientLanes
from strategies.aggregator import needs_of
from strategies.cohort_schedule import schedule, schedule_hash
from strategies.federation import Federation
from strategies.server.divergence import remedy
from strategies.server.flower_strategy import AggregatorStrategy, Input, Plan, Start
from strategies.server.forged_updates import Forger, first_state
from strategies.server.influence import mean_ratio
from strategies.server.messages import to_record
from strategies.server.node_map import map_nodes
from strategies.server.preflight import preflight
from strategies.server.root_training import RootTrainer
from strategies.server.rule_calls import RuleCalls


def federate(grid: Grid, task: Task, federation: Federation, results: Path) -> Path:
    """Run (or finish) one federated experiment.

    Everything random comes from task.seed, so an interrupted run that is started again ends with
    the records of an uninterrupted one.

    Args:
        grid: Reaches the clients.
        task: What is trained: data, attack, partition, model, seed.
        federation: How: rounds, cohorts, rule.
        results: Folder of all run directories.

    Returns:
        The run directory, named by the hash of task and federation.
    """
    forget_changed_data()
    parts = {"task": task, "federation": federation}
    found = identity(parts)
    folder = results / found.id
    spec = found.spec({name: to_dict(part) for name, part in parts.items()})
    if (folder / RESULT).exists():
        read_result(folder)  # a finished run is left alone, a damaged one refused
        return folder
    shards = preflight(task, federation)
    splits = prepared_splits(task)
    with open_run(folder, spec, found.places) as run:
        save_partition(run, shards, splits.train)
        save_poisons(run, task)
        Server(run, task, federation, splits, shards).serve(grid)
    return folder


class Server:
    """One run: the model that is evaluated, the strategy, and the records."""

    def __init__(
        self, run: Run, task: Task, federation: Federation, splits: Splits, shards: Sequence[Ints]
    ) -> None:
        """Build the model.

        Args:
            run: The run directory, open for writing.
            task: What is trained.
            federation: How it is federated.
            splits: The prepared data.
            shards: Positions in the training split of each client's samples.
        """
        self.run = run
        self.task = task
        self.federation = federation
        self.splits = splits
        self.shards = list(shards)
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
        checkpoint = self.run.resume()
        self.evaluate = Evaluator(self.run, self.task, self.device, checkpoint)
        attack = self.federation.byzantine
        state = first_state(attack, self.layout.length("theta"), self.task.seed)
        malicious = frozenset(malicious_clients(self.task))
        self.forger = Forger(attack, malicious, self.task.seed, state)
        start = self._start(checkpoint)
        plan = Plan(
            self.federation,
            self.layout,
            cohorts,
            map_nodes(grid, len(self.shards)),
            self.task.to_json(),
            self.task.seed,
            model_hash(self.model),
            content=content_digest(self.task),
            sizes=[len(shard) for shard in self.shards],
            minority=self.splits.train.info.tiers.get("LRG-1", ()),
            lanes=grid.lanes if isinstance(grid, ClientLanes) else None,
        )
        self.strategy = AggregatorStrategy(plan, start, self.forger, self._inputs())
        if checkpoint is None:
            self._after_round(0)
        if start.rounds < rounds:
            self.strategy.start(
                grid,
                to_record(start.weights),
                rounds - start.rounds,
                evaluate_fn=self._evaluate_fn,
            )
        self._finish(schedule_hash(cohorts))

    def _start(self, checkpoint: Checkpoint | None) -> Start:
        """Return the fresh model, or the state after the last checkpoint."""
        if checkpoint is None:
            weights = read(self.model)
            rule = RuleCalls(self.federation.aggregator, self.task.seed)
            return Start(weights, rule.init(weights.theta))
        check_same_model(checkpoint.facts, self.model, self.run.folder)
        self.failed_rounds = int(checkpoint.facts["failed_rounds"])
        self.forger.state = checkpoint.part("forger")
        weights = Weights.from_arrays(checkpoint.arrays)
        return Start(weights, checkpoint.part("state"), checkpoint.round)

    def _inputs(self) -> dict[str, Input]:
        """Return what makes the rule's inputs (strategies.aggregator.INPUTS), by name."""
        rule = self.federation.aggregator
        if "root" not in needs_of(rule):
            return {}
        train = placed_splits(self.task, self.device).train
        return {"root": RootTrainer(rule, self.task, train, self.model, self.device)}

    def _evaluate_fn(self, server_round: int, _: ArrayRecord) -> MetricRecord | None:
        if server_round > 0:
            self._after_round(self.strategy.first + server_round)
        return None

    def _after_round(self, number: int) -> None:
        """Evaluate, record and checkpoint the state after round `number` (0 is the start)."""
        log = self.strategy.log
        row: dict[str, Any] = {"round": number}
        if number:
            row |= log.summary()
            self.failed_rounds += log.failed is not None
        start = time.perf_counter()
        last = number == self.federation.rounds
        if number % self.federation.eval_every == 0 or last:
            write(self.model, self.strategy.weights)
            row |= self.evaluate(number, self.model, trained=self.failed_rounds < number)[0]
        log.seconds["evaluate"] = time.perf_counter() - start
        self.run.append("rounds", row)
        for client in log.clients:
            self.run.append("clients", {"round": number, **client})
        self.run.append(
            "timing",
            {
                "round": number,
                **log.timing(),
                "record": self.record_seconds,
                "clients": log.client_timing(),
            },
        )
        start = time.perf_counter()
        self._checkpoint(number)
        self.record_seconds = round(time.perf_counter() - start, 6)

    def _checkpoint(self, number: int) -> None:
        arrays = dict(self.strategy.weights.arrays())
        arrays |= {f"state.{name}": array for name, array in self.strategy.state.items()}
        arrays |= {f"forger.{name}": array for name, array in self.forger.state.items()}
        facts = {
            **model_facts(self.model),
            "best": list(self.evaluate.best),
            "failed_rounds": self.failed_rounds,
        }
        self.run.checkpoint(number, arrays, facts)

    def _refuse_untrained(self, rows: Sequence[dict[str, Any]]) -> None:
        """End a run of which every round failed: its model is the start, its numbers say nothing.

        The next try begins anew.

        Raises:
            FedgroupError: always, with the reason of the last round.
        """
        self.run.start_over()
        refused = rows[-1].get("refused") or [{}]
        reason = refused[0].get("reason")
        raise FedgroupError(
            f"all {len(rows) - 1} rounds failed, nothing was trained; the last one: "
            f"{rows[-1]['failed']}"
            + (f" (client {refused[0]['client']}: {reason})" if reason else "")
            + f"; {remedy(rows[1:])} and run again"
        )

    def _finish(self, cohorts: str) -> None:
        rows = read_lines(self.run.folder, "rounds")
        if self.failed_rounds == self.federation.rounds:
            self._refuse_untrained(rows)
        info, rounds = self.splits.train.info, self.federation.rounds
        self.run.finish(
            {
                **summary(rows, info, rounds, self.failed_rounds),
                "hashes": {
                    "partition": partition_hash(self.shards),
                    "cohorts": cohorts,
                    **model_facts(self.model),
                },
                "minority_influence": mean_ratio([row.get("minority_influence") for row in rows]),
                "attacker_influence": mean_ratio([row.get("attacker_influence") for row in rows]),
                "malicious": sorted(self.forger.malicious),
                "poisons": int(self.splits.train.poison.sum()),
                "buffers": self.federation.buffer_policy(),
                "parameters": self.layout.length("theta"),
            }
        )
