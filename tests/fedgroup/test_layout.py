import numpy as np
import pytest
import torch
from torch import nn

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights, read, write
from fedgroup.model import ResNet18, Small
from tests.toy import ToyModel, ToyNet


def test_hand_made_table() -> None:
    layout = Layout.of(ToyNet(2))
    rows = [(e.kind, e.name, e.shape, e.offset) for e in layout.entries]
    assert rows == [
        ("theta", "conv.weight", (4, 3, 3, 3), 0),
        ("theta", "bn.weight", (4,), 108),
        ("theta", "bn.bias", (4,), 112),
        ("theta", "fc.weight", (2, 4), 116),
        ("theta", "fc.bias", (2,), 124),
        ("buffers", "bn.running_mean", (4,), 0),
        ("buffers", "bn.running_var", (4,), 4),
        ("counters", "bn.num_batches_tracked", (), 0),
    ]
    assert layout.slice("buffers", "running_var").tolist() == [False] * 4 + [True] * 4


def test_resnet18_has_the_counts_of_the_spec() -> None:
    layout = Layout.of(ResNet18(init="scratch").build(2, 0))
    assert layout.length("theta") == 11_177_538
    assert layout.length("buffers") == 9_600
    assert layout.length("counters") == 20
    assert len(layout.entries) == 122


@pytest.mark.parametrize("channels_last", [False, True])
def test_read_and_write_round_trip_bitwise(channels_last: bool) -> None:
    torch.manual_seed(0)
    one, two = Small(init="scratch").build(2, 0), Small(init="scratch").build(2, 1)
    if channels_last:
        one = one.to(memory_format=torch.channels_last)
    one(torch.randn(4, 3, 32, 32))  # moves the statistics and the counters
    weights = read(one)
    assert weights.theta.dtype == np.float32
    assert weights.counters.dtype == np.int64
    assert int(weights.counters.max()) == 1
    write(two, weights)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name
    # C-order ravel whatever the memory format
    first = next(iter(one.parameters()))
    assert np.array_equal(
        weights.theta[: first.numel()], first.detach().contiguous().numpy().ravel()
    )


def test_read_copies() -> None:
    net = ToyNet(2)
    weights = read(net)
    before = weights.theta.copy()
    with torch.no_grad():
        net.fc.bias.add_(1)
    assert np.array_equal(weights.theta, before)


def test_wrong_lengths_are_refused() -> None:
    net = ToyNet(2)
    weights = read(net)
    with pytest.raises(FedgroupError, match="too few to fill 'fc.bias'"):
        write(net, Weights(weights.theta[:-1], weights.buffers, weights.counters))
    with pytest.raises(FedgroupError, match="this model takes 126"):
        write(
            net, Weights(np.append(weights.theta, np.float32(0)), weights.buffers, weights.counters)
        )


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(FedgroupError, match="no trainable parameters"):
        Layout.of(nn.Identity())


def test_frozen_parameters_do_not_travel() -> None:
    net = ToyNet(2)
    net.conv.weight.requires_grad_(False)
    assert Layout.of(net).length("theta") == 18
    assert len(read(net).theta) == 18


def test_stored_vectors_are_found_by_their_names() -> None:
    weights = read(ToyModel().build(2, 0))
    stored = {f"best.{name}": array for name, array in weights.arrays().items()}
    again = Weights.from_arrays(stored | {"other": np.zeros(1)}, "best.")
    assert all(again.arrays()[name] is array for name, array in weights.arrays().items())
