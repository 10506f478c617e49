"""With which arithmetic a run was made: what gives equal settings other last digits elsewhere.

A run's id says what was run, not where. The same run has other bytes with another version of torch
or numpy, other kernels of the processor (AVX2, AVX-512), another device or number of threads; by
how much is measured in docs/results/demo.md. Numbers that are averaged or compared across two of
them carry a footnote.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.results.finished_runs import UNKNOWN, environment

PARTS = ("torch", "numpy", "processor", "kernels", "device", "threads")
"""What arithmetic is told by, in the order of the words."""


def arithmetic(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what env.json says of the arithmetic, by PARTS; what it does not say is left out."""
    packages = found.get("packages") or {}
    values = {name: packages.get(name, found.get(name)) for name in PARTS}
    return {name: str(v) for name, v in values.items() if v is not None and v != UNKNOWN}


def differences(environments: Sequence[Mapping[str, Any]]) -> str:
    """Return in words how the arithmetic of runs differs; empty where it does not."""
    told = [arithmetic(found) for found in environments]
    parts = {
        name: list(dict.fromkeys(values[name] for values in told if name in values))
        for name in PARTS
    }
    return ", ".join(f"{n} {' and '.join(v)}" for n, v in parts.items() if len(v) > 1)


def mixed(experiments: Sequence[Experiment], results: Path) -> str:
    """Return in words how runs differ in arithmetic, each with what it was begun with."""
    return differences([environment(experiment, results) for experiment in experiments])


def changed_within(experiment: Experiment, results: Path) -> str:
    """Return in words how the arithmetic of one run changed while it was made; empty: not."""
    found = environment(experiment, results)
    return differences([*(found.get("before") or []), found])
