"""Small vectors for rules, and every rule there is."""

from typing import Any

import numpy as np

import strategies
from fedgroup.spec import build, resolve

ZERO = np.zeros(2, np.float32)


def vectors(*rows: Any) -> list[Any]:
    return [np.array(row, np.float32) for row in rows]


def step(rule: Any, clients: list[Any], theta: Any = ZERO, state: Any = None) -> Any:
    return rule.step(
        rule.init(theta) if state is None else state, theta, clients, np.ones(len(clients))
    )


def everyone() -> list[Any]:
    options = {"sparsefed": {"k": 0.05, "rho": 0.9}, "bucketing": {"rule": "trimmed_mean"}}
    return [
        build(resolve(strategies.NAMES, name), options.get(name, {}), name)
        for name in strategies.NAMES
        if name not in ("byzfl",)
    ]
