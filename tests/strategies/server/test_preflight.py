"""What is refused of a task and a federation before anything starts."""

from pathlib import Path

import pytest

from experiments.run import run
from fedgroup.errors import FedgroupError
from strategies.server.preflight import remark
from tests.strategies.server.runs import (
    make,
)


def test_a_trim_too_large_for_the_cohort_is_refused_before_training(tmp_path: Path) -> None:
    exp = make(federation__aggregator={"use": "trimmed_mean", "trim": 2})
    with pytest.raises(
        FedgroupError,
        match="TrimmedMean needs 5 valid clients per round, but 0.5 of 8 clients is 4",
    ):
        run(exp, tmp_path)
    assert not (tmp_path / exp.id).exists()


def test_a_rule_that_its_settings_make_another_is_said() -> None:
    plain = make(federation__aggregator={"use": "trimmed_mean", "trim": 0}).federation
    assert remark(plain, 8) == "TrimmedMean is here FedAvg (trim 0)."
    two = make(federation={"aggregator": "median", "fraction": 0.25}).federation
    assert remark(two, 8) == "Median is here FedAvg (a cohort of 2)."
    assert remark(make(federation__aggregator="median").federation, 8) == ""


def test_forgers_without_malicious_clients_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FedgroupError, match=r"byzantine is SignFlip but no client is malicious: set task.attackers"
    ):
        run(make(federation__byzantine="sign_flip"), tmp_path)


def test_a_rule_that_needs_what_no_server_has_is_refused(tmp_path: Path) -> None:
    exp = make(federation__aggregator="tests.strategies.test_aggregator:Curious")
    with pytest.raises(FedgroupError, match="called 'secrets'"):
        run(exp, tmp_path)
    assert not (tmp_path / exp.id).exists()
