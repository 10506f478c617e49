"""Checks of a centralized method (fedgroup.methods.method.TrainingMethod).

Each check trains a tiny network on 120 pictures, some of them twice, on one core.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedgroup.checks.runner import (
    Answer,
    answers,
    frozen_settings,
    nonsense_refused,
    surroundings_kept,
)
from fedgroup.checks.toy_data import (
    ContractData,
    TinyModel,
    WrongLabels,
    contents,
    first_difference,
    read_only,
)
from fedgroup.dataset import Bools
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.method import TrainingMethod, evaluation_interval
from fedgroup.runs.run_directory import Run, open_run, read_lines
from fedgroup.settings.settings_cache import cached_by_settings
from fedgroup.storage import read_arrays
from fedgroup.task import Task, prepared_splits
from fedgroup.train import TrainConfig

EPOCHS = 3
CONFIG = TrainConfig(epochs=EPOCHS, batch_size=32, lr=0.05)


class _Stopped(Exception):
    """A run that was interrupted on purpose."""


@dataclass(frozen=True)
class _Outcome:
    """What a method left behind."""

    losses: tuple[float, ...]
    """Training loss of every epoch."""
    samples: tuple[int, ...]
    """Samples of every epoch."""
    found: dict[str, Bools]
    """What it found last, by kind of selection."""


def task(other_test: bool = False, unmarked: bool = False) -> Task:
    """Return the checks' task: every tenth label is wrong, and marked as poison.

    other_test changes the test split; unmarked marks other samples instead.
    """
    data = ContractData(small=True, other_test=other_test)
    return Task(data, WrongLabels(unmarked), model=TinyModel(), train=CONFIG)


def _train(
    method: TrainingMethod, settings: Task, folder: Path, stop: int | None = None
) -> _Outcome:
    """Train in `folder` on the CPU, from its checkpoint if any; stop after epoch `stop`."""
    device = torch.device("cpu")
    with open_run(folder, {"task": settings.to_json()}) as run:
        checkpoint = run.resume()
        _stop_after(run, stop)
        splits = prepared_splits(settings)
        interval = evaluation_interval(method)
        trainer = Trainer(run, settings, splits, device, interval, checkpoint)
        method.run(trainer.splits, trainer)
        assert trainer.finished, (
            "run() ended without a final model: call trainer.train() or use up trainer.epochs()"
        )
    return _outcome(folder)


def _stop_after(run: Run, epoch: int | None) -> None:
    """Make a run stop right after the checkpoint of an epoch, as a kill would."""
    store = run.checkpoint

    def checkpoint(number: int, *rest: Any) -> None:
        store(number, *rest)
        if number == epoch:
            raise _Stopped

    run.checkpoint = checkpoint  # type: ignore[method-assign, assignment]


def _outcome(folder: Path) -> _Outcome:
    rows = [row for row in read_lines(folder, "rounds") if row["round"] > 0]
    found = {
        path.stem.removeprefix("selection-"): read_arrays(path)["found"]
        for path in sorted(folder.glob("selection-*.npz"))
    }
    return _Outcome(tuple(r["loss"] for r in rows), tuple(r["samples"] for r in rows), found)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder for runs and, apart from anybody's own, for cached stages; then delete it."""
    before = os.environ.get("FEDGROUP_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEDGROUP_CACHE"] = str(Path(folder) / "cache")
        try:
            yield Path(folder)
        finally:
            os.environ.pop("FEDGROUP_CACHE")
            if before is not None:
                os.environ["FEDGROUP_CACHE"] = before


@cached_by_settings(maxsize=4)
def _remembered(method: TrainingMethod, settings: Task) -> _Outcome:
    """Return what _outcome_of does, without another run where there was an equal one."""
    return _outcome_of(method, settings)


def _outcome_of(method: TrainingMethod, settings: Task) -> _Outcome:
    """Return the outcome of a new run with nothing cached."""
    with _temporary_folder() as folder:
        return _train(method, settings, folder / "run")


def one_final_model(method: TrainingMethod) -> None:
    """Require that run() trains the final model to its last epoch, with finite losses."""
    outcome = _remembered(method, task())
    assert len(outcome.losses) == EPOCHS, f"{len(outcome.losses)} of {EPOCHS} epochs were trained"
    assert np.isfinite(outcome.losses).all(), f"losses {outcome.losses} are not numbers"
    assert min(outcome.samples) > 0, f"epochs of {outcome.samples} samples"


def seeds_repeat(method: TrainingMethod) -> None:
    """Require that equal seeds give equal losses and selections."""
    one, two = _remembered(method, task()), _outcome_of(method, task())
    differs = _differs(one, two)
    assert differs is None, (
        f"two equal runs differ in their {differs}: draw from fedgroup.seeding.rng(seed, ...)"
    )


def continues_exactly(method: TrainingMethod) -> None:
    """Require that a run stopped after its first epoch ends like an uninterrupted one."""
    with _temporary_folder() as folder:
        with suppress(_Stopped):
            _train(method, task(), folder / "run", stop=1)
        continued = _train(method, task(), folder / "run")
    differs = _differs(_remembered(method, task()), continued)
    assert differs is None, (
        f"a stopped run ends with other {differs}: "
        f"give trainer.epochs a `state` with what the method carries"
    )


def inputs_untouched(method: TrainingMethod) -> None:
    """Require that the splits are not written to."""
    splits = read_only(prepared_splits(task()))
    copies = [contents(split) for split in splits]
    _outcome_of(method, task())
    for name, before, now in zip(splits._fields, copies, splits, strict=True):
        changed = first_difference(now, before)
        assert changed is None, f"{changed} of the {name} split was written to: work on copies"


def test_is_not_touched(method: TrainingMethod) -> None:
    """Require that another test split changes neither losses nor selections."""
    differs = _differs(_remembered(method, task()), _remembered(method, task(other_test=True)))
    assert differs is None, (
        f"another test split changes the {differs}: use splits.train and splits.val alone"
    )


def marks_find_nothing(method: TrainingMethod) -> None:
    """Require that other poison marks on the same samples do not change what is found."""
    one, two = _remembered(method, task()), _remembered(method, task(unmarked=True))
    for kind in sorted({*one.found, *two.found}):
        equal = (
            kind in one.found
            and kind in two.found
            and np.array_equal(one.found[kind], two.found[kind])
        )
        assert equal, f"what it finds ({kind}) depends on poison marks, which no defender has"


def settings_are_checked(method: TrainingMethod) -> None:
    """Require that a setting which is not a number is refused, when it is set or used."""
    nonsense_refused(method, lambda changed: _outcome_of(changed, task()))


def _differs(one: _Outcome, two: _Outcome) -> str | None:
    """Return what differs between two outcomes; None where nothing does."""
    if one.losses != two.losses or one.samples != two.samples:
        return "losses"
    equal = set(one.found) == set(two.found) and all(
        np.array_equal(one.found[k], two.found[k]) for k in one.found
    )
    return None if equal else "selections"


def surroundings_stay(method: TrainingMethod) -> None:
    """Require that it leaves the process as it is: threads, handlers, random streams, folder."""
    surroundings_kept(method, lambda used: _outcome_of(used, task()))


CHECKS: tuple[Callable[[TrainingMethod], None], ...] = (
    frozen_settings,
    one_final_model,
    seeds_repeat,
    continues_exactly,
    inputs_untouched,
    test_is_not_touched,
    marks_find_nothing,
    settings_are_checked,
    surroundings_stay,
)


def check_method(method: TrainingMethod) -> Iterator[Answer]:
    """Run every check on a centralized method; yield an answer each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from answers(method, CHECKS)
    finally:
        torch.set_num_threads(threads)
        _remembered.cache_clear()
