from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights, read, refuse_unsent, write
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


def register(net: nn.Module, name: str, value: torch.Tensor) -> nn.Module:
    net.register_buffer(name, value)
    return net


BUFFERS = {
    "mask": torch.tensor([0.0, -float("inf")]),
    "missing": torch.tensor([float("nan"), 1.0]),
    "bool": torch.tensor([True, False]),
    "int8": torch.tensor([-128, 127], dtype=torch.int8),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "int32": torch.tensor(-(2**31), dtype=torch.int32),
    "int64": torch.tensor(2**62),
    "float16": torch.tensor([65504.0, 6e-8], dtype=torch.float16),
    "bfloat16": torch.tensor([3e38, 1e-40], dtype=torch.bfloat16),
    "float64": torch.tensor([0.5, float("inf")], dtype=torch.float64),
    "complex64": torch.tensor([[1 + 2j, -3j]]),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(1.5),
}


@pytest.mark.parametrize("name", BUFFERS)
def test_a_buffer_of_any_dtype_travels_exactly(name: str) -> None:
    one = register(ToyNet(2), "own", BUFFERS[name].clone())
    two = register(ToyNet(2), "own", torch.ones_like(BUFFERS[name]))
    refuse_unsent(one)
    write(two, read(one))
    assert two.own.dtype == BUFFERS[name].dtype
    expected, found = torch.view_as_real(one.own) if one.own.is_complex() else one.own, two.own
    found = torch.view_as_real(found) if found.is_complex() else found
    assert np.array_equal(
        found.double().numpy(), expected.double().numpy(), equal_nan=name == "missing"
    )
    assert Layout.of(one).hash() != Layout.of(ToyNet(2)).hash()


def test_a_float64_buffer_that_would_be_rounded_is_refused() -> None:
    net = register(ToyNet(2), "own", torch.tensor([0.1], dtype=torch.float64))
    with pytest.raises(FedgroupError, match="buffer 'own' is float64 with values that change"):
        read(net)


def lazy(net: nn.Module) -> None:
    net.head = nn.LazyLinear(2)


def views(net: nn.Module) -> None:
    net.other = nn.Parameter(net.fc.weight.data)


def one_place(net: nn.Module) -> None:
    net.register_buffer("ones", torch.ones(1).expand(4))


def wide(net: nn.Module) -> None:
    net.fc.double()


def sparse(net: nn.Module) -> None:
    net.register_buffer("links", torch.eye(2).to_sparse())


def turning(net: nn.Module) -> None:
    net.phase = nn.Parameter(torch.tensor([1j]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lazy, "'head.weight' has no shape yet: run one batch in build"),
        (views, "'fc.weight' and 'other' share memory|'other' and 'fc.weight' share memory"),
        (one_place, "'ones' holds one value in many places: clone it"),
        (wide, "parameter 'fc.weight' is torch.float64, and parameters travel as float32"),
        (turning, "parameter 'phase' is torch.complex64"),
        (sparse, "'links' is no dense tensor"),
    ],
)
def test_what_vectors_cannot_carry_is_refused(change: Any, words: str) -> None:
    net = ToyNet(2)
    change(net)
    with pytest.raises(FedgroupError, match=words):
        refuse_unsent(net)


def test_tied_weights_travel_once_and_stay_tied() -> None:
    one, two = ToyNet(2), ToyNet(2)
    for net in (one, two):
        net.tied = net.fc
    refuse_unsent(one)
    assert Layout.of(one).length("theta") == Layout.of(ToyNet(2)).length("theta")
    write(two, read(one))
    assert two.tied.weight is two.fc.weight
    assert torch.equal(two.tied.weight, one.fc.weight)
