"""Run the experiment of a run directory again in this process and compare models and records bitwise.

python -m tests.same_model RUN_DIRECTORY RESULTS
"""

import json
import sys
from pathlib import Path

import numpy as np

from experiments.experiment import Experiment
from experiments.run import run


def main(folder: Path, results: Path) -> None:
    settings = json.loads((folder / "spec.json").read_text())
    twin = run(Experiment.of(settings), results)
    with np.load(folder / "checkpoint.npz") as one, np.load(twin / "checkpoint.npz") as two:
        for name in ("theta", "buffers", "counters"):
            assert np.array_equal(one[name], two[name]), f"{name} differs"
    for name in ("rounds.jsonl", "clients.jsonl", "partition.csv", "result.json"):
        assert (folder / name).read_bytes() == (twin / name).read_bytes(), f"{name} differs"
    print(f"{folder.name}: equal bit for bit")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
