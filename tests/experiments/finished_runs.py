"""Finished runs written by hand: their numbers are chosen, nothing is trained."""

import json
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.tables.load import load
from experiments.tables.table import Table
from fedgroup.runs.record_digests import bound_to

GROUPS = ["a0", "a1", "b0", "b1"]
TIERS = {"LRG-1": [2], "LRG-2": [1], "HRG": [0, 3]}
ENVIRONMENT = {
    "started": "2026-01-02T03:04:05+00:00",
    "python": "3.11.0",
    "packages": {"fedgroup": "0.1.0", "torch": "2.0", "flwr": "1.0"},
    "platform": "Linux",
    "processor": "x86_64",
    "cores": 2,
    "threads": 1,
    "device": "cpu",
    "commit": "abc1234",
}

TABLE = """
title: Made <b>up</b> & 100 % _sure_
note: A note.
base:
  task: {data: "tests.toy:ToyData", model: "tests.toy:ToyModel", partition: {use: iid, clients: 8}, attack: {use: dlbd, fraction: 0.1, side: 2, gap: 0}}
  federation: {rounds: 2, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg}, set: {}}
  - {label: {METHOD: Median}, set: {federation: {aggregator: median}}}
  - {label: {METHOD: "<i>T&C_5%</i>"}, set: {federation: {aggregator: geometric_median}}}
seeds: SEEDS
"""


def table(folder: Path, seeds: str = "[0, 1, 2]", text: str = TABLE, name: str = "made") -> Table:
    """The table above, from a file in `folder`."""
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("SEEDS", seeds))
    return load(str(path))


def bind(folder: Path) -> None:
    """Let result.json name the records as they are now."""
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | bound_to(folder)))


def finish(
    experiment: Experiment,
    results: Path,
    groups: list[float],
    asr: float | None = None,
    **other: Any,
) -> None:
    """Write the records of a finished run with these group accuracies in percent, 10 samples per group."""
    chosen: dict[str, Any] = {"wga": min(groups), "acc": sum(groups) / 4, "acc_adjusted": groups[0]}
    chosen |= {} if asr is None else {"asr": asr}
    full = chosen | {"round": 2, "groups": groups, "worst_group_samples": 10}
    stored = {
        "selection": {"best_val_wga": full, "final": full, "last10": chosen},
        "rounds": experiment.rounds,
        "failed_rounds": 0,
        "dataset": {
            "name": "toy",
            "groups": GROUPS,
            "tiers": TIERS,
            "train_counts": [40, 8, 4, 28],
        },
        "parameters": 126,
        "minority_influence": None,
    }
    folder = results / experiment.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(experiment.spec()))
    (folder / "env.json").write_text(json.dumps(ENVIRONMENT))
    counts = {"correct": [round(value / 10) for value in groups], "total": [10] * 4}
    rounds = [{"round": r, "test": counts, "val": counts} for r in (0, 1, 2)]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rounds))
    (folder / "timing.jsonl").write_text(
        json.dumps({"round": 1, "train": 2.5, "evaluate": 0.5}) + "\n"
    )
    (folder / "result.json").write_text(json.dumps(bound_to(folder) | stored | other))
