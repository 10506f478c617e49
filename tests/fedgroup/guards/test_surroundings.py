"""Calls of components: what they change is put back, what they raise is one line by name."""

import logging
import os
import re
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.errors import FedgroupError
from fedgroup.guards.surroundings import Surroundings, component_call, is_host, is_ours
from fedgroup.seeding import changed_streams, global_state
from strategies.rules.bucketing import Bucketing
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from tests.toy import MeanOfTwo


@dataclass(frozen=True)
class Rule:
    """Somebody's component."""


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "the working directory": (lambda: os.chdir("/"), os.getcwd),
    "torch's number of threads": (lambda: torch.set_num_threads(2), torch.get_num_threads),
    "torch's default dtype": (
        lambda: torch.set_default_dtype(torch.float64),
        torch.get_default_dtype,
    ),
    "torch's gradient mode": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "torch's deterministic algorithms": (
        lambda: torch.set_deterministic_debug_mode("warn"),
        torch.get_deterministic_debug_mode,
    ),
    "torch's matmul precision": (
        lambda: torch.set_float32_matmul_precision("medium"),
        torch.get_float32_matmul_precision,
    ),
    "numpy's error handling": (lambda: np.seterr(all="raise"), np.geterr),
    "signal handlers": (
        lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGUSR1),
    ),
    "the warnings filter": (
        lambda: warnings.simplefilter("ignore"),
        lambda: list(warnings.filters),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_component_changes_is_put_back(name: str, caplog: pytest.LogCaptureFixture) -> None:
    change, now = CHANGES[name]
    before = now()
    with caplog.at_level(logging.INFO), component_call(Rule(), "step"):
        change()
        assert now() != before
    assert now() == before
    assert re.search(f"Rule.step changed .*{name}.*: put back", caplog.text)


def test_it_is_put_back_after_an_error_too() -> None:
    before = torch.get_num_threads()
    with (
        pytest.raises(FedgroupError, match="Rule.step raised KeyError: 'theta'"),
        component_call(Rule(), "step"),
    ):
        torch.set_num_threads(before + 1)
        raise KeyError("theta")
    assert torch.get_num_threads() == before


def test_a_folder_that_was_deleted_is_left(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with component_call(Rule(), "step"):
        gone = tmp_path / "gone"
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
    assert Path.cwd() == tmp_path


def test_an_error_says_who_what_and_where() -> None:
    with (
        pytest.raises(FedgroupError, match=r"Rule.step raised ZeroDivisionError: .*surroundings"),
        component_call(Rule(), "step"),
    ):
        _ = 1 / 0
    given = np.zeros(3)
    given.flags.writeable = False
    with (
        pytest.raises(FedgroupError, match=r"Rule.step writes into an array that it was given"),
        component_call(Rule(), "step"),
    ):
        given += 1
    with (
        pytest.raises(FedgroupError, match=r"^its own words$"),
        component_call(Rule(), "step"),
    ):
        raise FedgroupError("its own words")
    for passes in (MemoryError, KeyboardInterrupt):
        with pytest.raises(passes), component_call(Rule(), "step"):
            raise passes


def test_what_a_component_draws_is_seeded_by_the_call_and_leaves_no_trace() -> None:
    before = global_state()
    seen = []
    for number in (1, 1, 2):
        with component_call(Rule(), "step", 0, number):
            seen.append(float(np.random.random()))  # noqa: NPY002
    assert seen[0] == seen[1] != seen[2]
    assert changed_streams(before) == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_is_refused_and_its_copy_ends() -> None:
    with (
        pytest.raises(FedgroupError, match="Rule.step forked this process"),
        component_call(Rule(), "step"),
    ):
        child = os.fork()
    _, code = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(code) == 1


def test_nothing_changed_is_nothing_to_say() -> None:
    assert Surroundings().restore("x") == []


def test_ours_are_told_from_those_of_others_down_to_their_settings() -> None:
    assert is_ours(Median())
    assert is_ours(NNM(Bucketing(Median())))
    assert not is_ours(MeanOfTwo())
    assert not is_ours(NNM(MeanOfTwo()))
    assert not is_ours(NNM(FlowerRule()))
    assert is_host(NNM(FlowerRule()))
    assert not is_host(MeanOfTwo())
