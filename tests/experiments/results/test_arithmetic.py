"""Numbers that were made with different arithmetic are not averaged or compared in silence."""

import json
from pathlib import Path
from typing import Any

import torch

from experiments.report import make
from experiments.results.arithmetic import arithmetic, differences
from fedgroup.runs.environment import environment
from tests.experiments.finished_runs import ENVIRONMENT
from tests.experiments.report.tables import full

OTHER_TORCH = {"packages": {**ENVIRONMENT["packages"], "torch": "2.1"}}  # type: ignore[dict-item]


def changed(folder: Path, **values: Any) -> None:
    path = folder / "env.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def notes(tmp_path: Path, row: int, seed: int, **values: Any) -> list[str]:
    """Notes of a report in which one run was made elsewhere."""
    made, results = full(tmp_path)
    changed(results / made.rows[row].experiments[seed].id, **values)
    return [note for note in make(made, results, "final").notes if "arithmetic" in note]


def test_seeds_of_different_arithmetic_are_a_footnote(tmp_path: Path) -> None:
    (first, second) = notes(tmp_path, 1, 2, **OTHER_TORCH)
    assert "The seeds were run with different arithmetic (torch 2.0 and 2.1)" in first
    assert "Median" in first
    assert "the baseline was run with other arithmetic (torch 2.1 and 2.0)" in second.lower()
    assert "seed 2" in second


def test_kernels_device_and_threads_count(tmp_path: Path) -> None:
    (only, *_) = notes(tmp_path, 1, 0, device="NVIDIA H100", threads=2)
    assert "device NVIDIA H100 and cpu, threads 2 and 1" in only


def test_a_run_that_went_on_elsewhere_is_a_footnote(tmp_path: Path) -> None:
    (only,) = notes(tmp_path, 2, 1, before=[{**ENVIRONMENT, "threads": 4}])
    assert "The run went on with other arithmetic (threads 4 and 1)" in only


def test_what_takes_no_part_in_the_arithmetic_is_none(tmp_path: Path) -> None:
    assert notes(tmp_path, 1, 0, cores=64, commit="other", platform="Another Linux") == []


def test_runs_that_do_not_say_their_kernels_differ_from_none() -> None:
    older = dict(ENVIRONMENT)
    assert differences([older, {**older, "kernels": "AVX512"}]) == ""
    assert differences([{**older, "kernels": "AVX2"}, {**older, "kernels": "AVX512"}]) == (
        "kernels AVX2 and AVX512"
    )


def test_every_part_is_recorded() -> None:
    told = arithmetic(environment())
    assert list(told) == ["torch", "numpy", "processor", "kernels", "device", "threads"]
    assert told["kernels"] == torch.backends.cpu.get_cpu_capability()
