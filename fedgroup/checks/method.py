"""What a centralized method must hold. Each check trains a tiny network on 120 pictures."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedgroup.checks.runner import Answer, Check, answers, frozen_settings, nonsense_refused
from fedgroup.checks.toy_data import ContractData, TinyModel, WrongLabels, content, lock, same
from fedgroup.dataset import Bools
from fedgroup.methods.central_trainer import Trainer
from fedgroup.run_directory import Run, open_run, read_lines
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
    """The checks' task: pictures of which every tenth is labelled wrongly, and marked as poison."""
    data = ContractData(small=True, other_test=other_test)
    return Task(data, WrongLabels(unmarked), model=TinyModel(), train=CONFIG)


def _train(method: Any, asked: Task, folder: Path, stop: int | None = None) -> _Outcome:
    """Train in `folder` on the CPU, from its checkpoint where it has one; stops after epoch `stop`."""
    device = torch.device("cpu")
    with open_run(folder, {"task": asked.to_json()}) as run:
        found = run.resume()
        _stop_after(run, stop)
        trainer = Trainer(
            run, asked, prepared_splits(asked), device, getattr(method, "eval_every", 1), found
        )
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
    found = {}
    for path in sorted(folder.glob("selection-*.npz")):
        with np.load(path) as stored:
            found[path.stem.removeprefix("selection-")] = stored["found"]
    return _Outcome(tuple(r["loss"] for r in rows), tuple(r["samples"] for r in rows), found)


@contextmanager
def _nowhere() -> Iterator[Path]:
    """A folder for runs and, apart from anybody's own, for cached stages; gone afterwards."""
    before = os.environ.get("FEDGROUP_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEDGROUP_CACHE"] = str(Path(folder) / "cache")
        try:
            yield Path(folder)
        finally:
            os.environ.pop("FEDGROUP_CACHE")
            if before is not None:
                os.environ["FEDGROUP_CACHE"] = before


@lru_cache(maxsize=4)
def _alone(method: Any, asked: Task) -> _Outcome:
    """Outcome of a run with nothing cached."""
    with _nowhere() as folder:
        return _train(method, asked, folder / "run")


def one_final_model(method: Any) -> None:
    """run() trains the final model to its last epoch, and every loss is a number."""
    made = _alone(method, task())
    assert len(made.losses) == EPOCHS, f"{len(made.losses)} of {EPOCHS} epochs were trained"
    assert np.isfinite(made.losses).all(), f"losses {made.losses} are not numbers"
    assert min(made.samples) > 0, f"epochs of {made.samples} samples"


def seeds_repeat(method: Any) -> None:
    """Equal seeds give equal losses and selections."""
    one, two = _alone(method, task()), _fresh(method, task())
    differs = _differs(one, two)
    assert differs is None, (
        f"two equal runs differ in their {differs}: draw from fedgroup.seeding.rng(seed, ...)"
    )


def continues_exactly(method: Any) -> None:
    """A run that is stopped after its first epoch goes on to the outcome of an uninterrupted one."""
    with _nowhere() as folder:
        with suppress(_Stopped):
            _train(method, task(), folder / "run", stop=1)
        made = _train(method, task(), folder / "run")
    differs = _differs(_alone(method, task()), made)
    assert differs is None, (
        f"a stopped run ends with other {differs}: give trainer.epochs a `state` with what the method carries"
    )


def inputs_untouched(method: Any) -> None:
    """The splits are not written to."""
    splits = lock(prepared_splits(task()))
    held = [content(split) for split in splits]
    _fresh(method, task())
    for name, before, now in zip(splits._fields, held, splits, strict=True):
        changed = same(now, before)
        assert changed is None, f"{changed} of the {name} split was written to: work on copies"


def test_is_not_touched(method: Any) -> None:
    """Another test split changes neither losses nor selections."""
    differs = _differs(_alone(method, task()), _alone(method, task(other_test=True)))
    assert differs is None, (
        f"another test split changes the {differs}: use splits.train and splits.val alone"
    )


def marks_find_nothing(method: Any) -> None:
    """Other poison marks on the same samples do not change what is found."""
    one, two = _alone(method, task()), _alone(method, task(unmarked=True))
    for kind in sorted({*one.found, *two.found}):
        equal = (
            kind in one.found
            and kind in two.found
            and np.array_equal(one.found[kind], two.found[kind])
        )
        assert equal, f"what it finds ({kind}) depends on poison marks, which no defender has"


def settings_are_checked(method: Any) -> None:
    """A setting that is not a number is refused, when it is set or when it is used."""
    nonsense_refused(method, lambda made: _fresh(made, task()))


def _fresh(method: Any, asked: Task) -> _Outcome:
    """Outcome of one more run with nothing cached."""
    return _alone.__wrapped__(method, asked)


def _differs(one: _Outcome, two: _Outcome) -> str | None:
    """What differs between two outcomes; None where nothing does."""
    if one.losses != two.losses or one.samples != two.samples:
        return "losses"
    equal = set(one.found) == set(two.found) and all(
        np.array_equal(one.found[k], two.found[k]) for k in one.found
    )
    return None if equal else "selections"


CHECKS: tuple[Check, ...] = (
    frozen_settings,
    one_final_model,
    seeds_repeat,
    continues_exactly,
    inputs_untouched,
    test_is_not_touched,
    marks_find_nothing,
    settings_are_checked,
)


def check_method(method: Any) -> Iterator[Answer]:
    """Run every check on a centralized method."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from answers(method, CHECKS)
    finally:
        torch.set_num_threads(threads)
        _alone.cache_clear()
