"""One client: its model is the server's, and nothing of another client is left in it."""

import numpy as np
import pytest
import torch

from clients import local
from clients.local import local_update
from fedgroup.errors import FedgroupError
from fedgroup.frozen import model_hash
from fedgroup.layout import Weights, read
from fedgroup.model import build_model
from fedgroup.spec import build
from fedgroup.task import Task
from tests.toy import experiment

CPU = torch.device("cpu")


def task(model: str, seed: int = 0) -> Task:
    settings = experiment(task__model=f"tests.odd_models:{model}", task__seed=seed)
    return build(Task, settings["task"])


def server(only: Task) -> tuple[Weights, str]:
    net = build_model(only.model, 2, only.seed, CPU)
    return read(net), model_hash(net)


@pytest.mark.parametrize("model", ["OddModel", "DrawingModel", "CountingModel"])
def test_a_client_gives_the_same_whoever_trained_before_it(model: str) -> None:
    only = task(model, seed=3)
    weights, name = server(only)
    one = local_update(only, 2, 1, weights, name)
    local_update(only, 5, 1, weights, name)
    again = local_update(only, 2, 1, weights, name)
    assert np.array_equal(one.weights.theta, again.weights.theta)
    assert np.array_equal(one.weights.buffers, again.weights.buffers, equal_nan=True)
    assert np.array_equal(one.weights.counters, again.weights.counters)


def test_dropout_differs_by_round_client_and_seed() -> None:
    only = task("DrawingModel")
    weights, name = server(only)
    before = torch.get_rng_state()
    losses = {
        local_update(only, client, number, weights, name).loss
        for client, number in ((0, 1), (0, 2), (1, 1))
    }
    assert len(losses) == 3
    assert torch.equal(torch.get_rng_state(), before)


def test_a_client_of_other_frozen_weights_is_refused() -> None:
    only = task("OddModel", seed=3)
    weights, name = server(task("OddModel", seed=4))
    with pytest.raises(FedgroupError, match=r"is not this client's .*same versions and weights"):
        local_update(only, 0, 1, weights, name)


def test_a_model_of_ours_is_not_copied_for_every_client() -> None:
    only = build(Task, experiment()["task"])
    weights, name = server(only)
    local_update(only, 0, 1, weights, name)
    net, _ = local._model(only.model, 2, only.seed, CPU)
    before = net.fc.weight.data_ptr()  # type: ignore[union-attr, operator]
    one = local_update(only, 1, 1, weights, name)
    assert net.fc.weight.data_ptr() == before  # type: ignore[union-attr, operator]
    assert np.array_equal(read(net).theta, one.weights.theta)
