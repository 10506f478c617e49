"""Names that mean something else to every format, and a finished table that bears them all."""

from pathlib import Path
from typing import Any

import yaml

from experiments.tables.load import load
from experiments.tables.table import Table
from tests.experiments.finished_runs import TIERS, finish

LABELS = (
    "a $x_1$ and $\\frac{1}$ cost 5$",
    "snake_case _edges_ 100 % & #1 ~ ^ \\",
    "<script>alert('x')</script><img src=x onerror=\"y\">",
    "pipe | star *b* `code` [red]t[/red] [a](http://b)",
    "two\nlines",
    "bird 🐦 dog 🐶 :dog:",
    "שלום עולם",
    "=1+1",
    "- @SUM {b}",
    "_hidden",
    "[opt]",
    "n" * 200,
)
GROUPS = ["_under $g$", "<b>&amp;</b>", "=A1 | b_c", "שלום 🐦"]


def hostile(folder: Path) -> tuple[Table, Path]:
    """Every label in a row of its own, over a FedAvg of its own; the groups have such names too."""
    rows = [
        {
            "label": {"METHOD": label, "IID?": "yes"},
            "set": {
                "task": {"train": {"lr": 0.01 * (number + 1)}},
                "federation": {"aggregator": "median"},
            },
        }
        for number, label in enumerate(LABELS)
    ]
    base = {
        "task": {
            "data": "tests.toy:ToyData",
            "model": "tests.toy:ToyModel",
            "partition": {"use": "iid", "clients": 8},
            "attack": {"use": "dlbd", "fraction": 0.1, "side": 2, "gap": 0},
        },
        "federation": {"rounds": 2, "fraction": 0.5},
    }
    settings = {
        "title": "# T $x$ <i>_t_</i> | 100 % & \\ 🐦\nnext #",
        "note": "1. A note with *stars*, <b>tags</b> and $formulas$.",
        "base": base,
        "rows": rows,
        "seeds": [0],
        "baseline": {
            "name": "$b_0$ <FedAvg>",
            "set": {"federation": {"aggregator": "fedavg"}},
        },
    }
    path = folder / "hostile.yaml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
    made, results = load(str(path)), folder / "results"
    dataset: dict[str, Any] = {"name": "toy $d$ <b>", "groups": GROUPS, "tiers": TIERS}
    dataset |= {"train_counts": [40, 8, 4, 28]}
    for number, row in enumerate(made.rows):
        for run, lost in ((row.experiments[0], 5.0), (row.baselines[0], 0.0)):
            groups = [90.0, 80.0 - number, 60.0 - lost, 85.0]
            facts = {"dataset": dataset, "minority_influence": 0.5}
            finish(run, results, groups, 50.0 - 2 * lost, **facts)
    return made, results
