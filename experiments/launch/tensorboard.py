"""TensorBoard events written from the records, so that a run knows nothing of TensorBoard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.launch.scheduler import Watched
from fedgroup.errors import FedgroupError
from fedgroup.model_selection import counts
from fedgroup.run_directory import SECONDS, read_lines


class Board:
    """Follows runs and writes each new round once: accuracies per split and group, losses, seconds."""

    def __init__(self, folder: Path, results: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise FedgroupError(
                "--tensorboard needs the tensorboard package: pip install 'fedgroup[tensorboard]'"
            ) from error
        self._writer_class: Any = SummaryWriter
        self._folder = folder
        self._results = results
        self._writers: dict[str, Any] = {}
        self._written: dict[str, int] = {}

    def __call__(self, watched: Sequence[Watched]) -> None:
        """Write what is new in the records of these runs."""
        for run in watched:
            if run.done > self._written.get(run.experiment.id, -1) and run.last is not None:
                self._follow(run)

    def _follow(self, run: Watched) -> None:
        name = run.experiment.id
        if name not in self._writers:
            self._writers[name] = self._writer_class(str(self._folder / name))
            self._writers[name].add_text("run", run.label)
        writer, done = self._writers[name], self._written.get(name, -1)
        folder = self._results / name
        for row in read_lines(folder, "rounds"):
            if row["round"] > done:
                for key, value in scalars(row).items():
                    writer.add_scalar(key, value, row["round"])
                self._written[name] = row["round"]
        for row in read_lines(folder, "timing"):
            if row["round"] > done:
                for key in SECONDS:
                    if key in row:
                        writer.add_scalar(f"seconds/{key}", row[key], row["round"])
        writer.flush()


def scalars(row: dict[str, Any]) -> dict[str, float]:
    """Numbers of one record line, by TensorBoard tag; accuracies in percent."""
    out: dict[str, float] = {}
    for split in ("val", "test"):
        if split in row:
            found = counts(row, split)
            out[f"{split}/WGA"] = 100 * found.wga()
            out[f"{split}/ACC"] = 100 * found.accuracy()
            for group, (correct, total) in enumerate(zip(found.correct, found.total, strict=True)):
                if total:
                    out[f"{split}/group {group}"] = 100 * correct / total
    for key in ("loss", "step_norm", "minority_influence", "admitted"):
        if row.get(key) is not None:
            out[f"round/{key}"] = float(row[key])
    return out
