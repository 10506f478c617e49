"""The estimate before a start, and its refusal."""

import pytest

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch import memory_estimate
from fedgroup.errors import FedgroupError
from tests.toy import experiment

TOY = Experiment.of(experiment())


def test_workers_hold_the_step_and_the_server_the_vectors() -> None:
    alone = memory_estimate.estimate(TOY, Resources())
    apart = memory_estimate.estimate(TOY, Resources(workers=3))
    assert (alone.workers, alone.worker) == (0, 0)
    assert apart.workers == 3
    assert apart.server < alone.server
    assert apart.total == apart.server + 3 * apart.worker


def test_too_much_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    need = memory_estimate.estimate(TOY, Resources())
    assert "about 0.4 GiB for 1 run(s)" in memory_estimate.check([need], Resources())
    monkeypatch.setattr(memory_estimate, "available", lambda: 2**28)
    with pytest.raises(
        FedgroupError, match=r"need about 0.9 GiB of memory and 0.2 GiB are free: lower --jobs"
    ):
        memory_estimate.check([need, need], Resources())
    assert "on the cluster" in memory_estimate.check([need], Resources(ray_address="auto"))


def test_a_bigger_batch_and_model_need_more() -> None:
    def total(**changes: object) -> int:
        return memory_estimate.estimate(Experiment.of(experiment(**changes)), Resources()).total

    assert total(task__train__batch_size=4) < total(task__train__batch_size=64)
    assert total(federation__fraction=0.25) < total(federation__fraction=1.0)
