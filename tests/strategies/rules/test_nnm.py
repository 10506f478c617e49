"""Nearest-neighbour mixing against plain means."""

import numpy as np
import pytest

from experiments.experiment import Experiment
from fedgroup.errors import FedgroupError
from fedgroup.train import TrainConfig
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.fltrust import FLTrust
from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from tests.strategies.rules.vectors import step, vectors
from tests.toy import experiment


def test_nnm_is_the_rule_on_means_of_the_nearest() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(0, 1, (10, 64)).astype(np.float32)
    near = [np.argsort(((points - p) ** 2).sum(1), kind="stable")[:8] for p in points]
    mixed = np.stack([points[np.sort(n)].mean(0) for n in near])
    found = step(NNM(Median(), f=2), list(points), np.zeros(64, np.float32))[0]
    assert np.allclose(found, np.median(mixed, 0), atol=1e-6)


def test_nnm_with_f_0_is_the_mean() -> None:
    clients = vectors([1, 0], [2, 0], [6, 3])
    assert np.allclose(step(NNM(Median(), f=0), clients)[0], [3, 1])


def test_a_rule_that_needs_a_root_vector_is_refused_inside() -> None:
    """It would never get one: every round would keep the model."""
    for make in (lambda: NNM(FLTrust()), lambda: NNM(NNM(FLTrust()))):
        with pytest.raises(FedgroupError, match=r"nnm: FLTrust needs the server's root vector"):
            make()
    spec = {"use": "nnm", "rule": "fltrust"}
    with pytest.raises(FedgroupError, match=r"federation.aggregator: nnm: FLTrust needs"):
        Experiment.of(experiment(federation__aggregator=spec))


def test_what_the_inner_rule_refuses_at_the_start_is_refused() -> None:
    prox = FlowerRule("flwr.serverapp.strategy:FedProx", {"proximal_mu": 0.1})
    with pytest.raises(FedgroupError, match=r"set task.train.proximal_mu=0.1"):
        NNM(prox).check_start(10, TrainConfig())
