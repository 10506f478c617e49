"""Predictions in threads; gradient proxies against autograd and hand-computed values."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fedgroup.device import CORES
from fedgroup.errors import FedgroupError
from fedgroup.model import build_model, features
from fedgroup.predict import last_layer_gradients, logits, predict, proxies
from tests.odd_models import NoisyModel
from tests.toy import ToyData, ToyModel, ToyNet


@pytest.fixture(scope="module")
def data():
    return ToyData(10).load().train  # 800 samples: four batches


@pytest.fixture
def model():
    net = ToyModel().build(2, 0)
    with torch.no_grad():
        net.fc.bias.copy_(torch.tensor([0.5, -1.5]))
    return net


def test_by_hand():
    rows = np.log(np.array([[0.25, 0.75], [0.9, 0.1], [0.9, 0.1]], np.float32))
    found = proxies(rows, np.array([0, 0, 1]))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[-0.75, 0.75], [-0.1, 0.1], [0.9, -0.9]]), abs=1e-6)


def test_it_is_the_gradient_of_the_loss_of_each_sample():
    rows = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.arange(20) % 5
    F.cross_entropy(rows, y, reduction="sum").backward()
    assert proxies(rows.detach().numpy(), y.numpy()) == pytest.approx(rows.grad.numpy(), abs=1e-6)


def test_large_outputs_do_not_overflow():
    rows = np.array([[1000.0, 0.0], [-3e38, 3e38], [5.0, 5.0]], np.float32)
    assert proxies(rows, np.array([0, 0, 1])).tolist() == [[0, 0], [-1, 1], [0.5, -0.5]]


def test_evaluation_mode_own_outputs_and_outputs_without_bias(data, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    own, bare = logits(model, data), logits(model, data, no_bias=True)
    model.eval()
    with torch.inference_mode():
        x = data.batch(np.arange(len(data))).x
        held = features(model, x)
        assert own == pytest.approx(model(x).numpy(), abs=1e-5)
        assert bare == pytest.approx(F.linear(held, model.fc.weight).numpy(), abs=1e-5)
    assert own.shape == (800, 2) and own.dtype == np.float32
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert np.array_equal(last_layer_gradients(model, data, no_bias=True), proxies(bare, data.y))
    assert not np.allclose(own, bare)


def test_the_bits_do_not_depend_on_cores_or_threads(data, model, monkeypatch):
    found = []
    for cores, threads in (("1", 1), ("1", 2), ("3", 1)):
        monkeypatch.setenv(CORES, cores)
        torch.set_num_threads(threads)
        try:
            found.append(last_layer_gradients(model, data))
        finally:
            torch.set_num_threads(1)
    assert all(np.array_equal(found[0], other) for other in found)


def test_rows_follow_positions(data, model):
    positions = np.array([700, 3, 3, 512])
    found = last_layer_gradients(model, data.take(positions))
    assert found == pytest.approx(last_layer_gradients(model, data)[positions], abs=1e-6)


def test_no_samples(data, model):
    empty = data.take(np.array([], np.int64))
    assert last_layer_gradients(model, empty).shape == (0, 2)


def test_a_last_layer_without_bias(data):
    net = ToyNet(2)
    net.fc = nn.Linear(4, 2, bias=False)
    assert np.array_equal(logits(net, data, no_bias=True), logits(net, data))


def test_bad_input(data, model):
    class Headless(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))[:, :2]

    assert logits(Headless(), data).shape == (800, 2)
    with pytest.raises(
        FedgroupError, match="no_bias needs a model that ends in a linear layer.*Headless"
    ):
        logits(Headless(), data, no_bias=True)
    with torch.no_grad():
        model.fc.weight.fill_(float("nan"))
    with pytest.raises(
        FedgroupError, match="800 of 800 samples are not finite.*lower learning rate"
    ):
        last_layer_gradients(model, data)
    with pytest.raises(FedgroupError, match=r"\(3, 2\).*\(2,\) do not fit"):
        proxies(np.zeros((3, 2), np.float32), np.zeros(2, np.int64))


def test_predictions_are_made_on_one_thread_each(monkeypatch):
    """Also where there is one batch, so that the bits are the same on any number of threads."""
    model = build_model(ToyModel(), 2, 0, torch.device("cpu"))
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        predict(model, ToyData().load().test)
    finally:
        torch.set_num_threads(1)
    assert seen == [1]


def test_a_model_that_draws_in_evaluation_says_the_same_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the number of cores: its batches are then taken one after another."""
    data = ToyData(scale=20).load().train
    net = build_model(NoisyModel(), 2, 0, torch.device("cpu"))
    seen = []
    for cores in (1, 2, 4):
        monkeypatch.setattr("fedgroup.predict.cores", lambda cores=cores: cores)
        torch.seed()
        before = torch.get_rng_state()
        seen.append(predict(net, data))
        assert torch.equal(torch.get_rng_state(), before)
    assert len(data) > 4 * 256
    assert all(np.array_equal(seen[0], other) for other in seen[1:])


def test_a_network_of_more_outputs_than_classes_is_refused() -> None:
    with pytest.raises(FedgroupError, match=r"TinyNet.forward returned \(80, 3\) for 80 pictures"):
        predict(ToyNet(3), ToyData().load().train)
