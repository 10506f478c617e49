"""TensorBoard events written from the records, so that a run knows nothing of TensorBoard."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from experiments.launch.scheduler import Watched
from fedgroup.errors import FedgroupError
from fedgroup.model_selection import counts
from fedgroup.runs.run_directory import SECONDS, read_lines


class Board:
    """Follow runs and write each new round once: accuracies by split and group, losses, seconds."""

    def __init__(self, folder: Path, results: Path) -> None:
        """Write events of the runs in `results` to a folder of each in `folder`."""
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
                with suppress(FedgroupError, KeyError, TypeError):  # damaged: `status` names it
                    self._follow(run)

    def _follow(self, run: Watched) -> None:
        name = run.experiment.id
        if name not in self._writers:
            self._writers[name] = self._writer_class(str(self._folder / name))
            self._writers[name].add_text("run", run.label)
        writer, done = self._writers[name], self._written.get(name, -1)
        folder = self._results / name
        for record in read_lines(folder, "rounds"):
            if record["round"] > done:
                for tag, number in scalars(record).items():
                    writer.add_scalar(tag, number, record["round"])
                self._written[name] = record["round"]
        for record in read_lines(folder, "timing"):
            if record["round"] > done:
                for part in SECONDS:
                    if part in record:
                        writer.add_scalar(f"seconds/{part}", record[part], record["round"])
        writer.flush()


def scalars(record: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of one record by TensorBoard tag; accuracies in percent."""
    numbers: dict[str, float] = {}
    for split in ("val", "test"):
        if split in record:
            groups = counts(record, split)
            numbers[f"{split}/WGA"] = 100 * groups.wga()
            numbers[f"{split}/ACC"] = 100 * groups.accuracy()
            for group, (correct, total) in enumerate(
                zip(groups.correct, groups.total, strict=True)
            ):
                if total:
                    numbers[f"{split}/group {group}"] = 100 * correct / total
    for key in ("loss", "step_norm", "minority_influence", "admitted"):
        if record.get(key) is not None:
            numbers[f"round/{key}"] = float(record[key])
    return numbers
