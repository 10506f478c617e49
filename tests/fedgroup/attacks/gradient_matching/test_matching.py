"""The mismatch and its gradient against the official loss class (attacks_cases.json)."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.attacks.gradient_matching import matching
from fedgroup.attacks.gradient_matching.matching import Matcher, mismatch
from fedgroup.errors import FedgroupError
from tests.fedgroup.attacks.gradient_matching.official import (
    GM,
    LABELS,
    TARGETS,
    X,
    first_delta,
    gradient,
    matcher,
    network,
)


def test_the_targets_loss_and_gradient_norm() -> None:
    net = network()
    loss = F.cross_entropy(net(TARGETS), torch.ones(2, dtype=torch.int64))
    assert loss.item() == pytest.approx(GM["target_loss"], abs=1e-9)
    norm = torch.cat([part.flatten() for part in matcher().target]).norm()
    assert norm.item() == pytest.approx(GM["target_gnorm"], abs=1e-9)


def test_many_targets_are_matched_by_the_mean_of_their_gradients() -> None:
    one = [Matcher.towards(network(), TARGETS[i : i + 1], LABELS[:1]).target for i in range(2)]
    for mean, a, b in zip(matcher().target, *one, strict=True):
        torch.testing.assert_close(mean, (a + b) / 2, rtol=0, atol=1e-12)


def test_the_targets_gradient_does_not_depend_on_the_chunk() -> None:
    for whole, chunked in zip(matcher().target, matcher(chunk=1).target, strict=True):
        torch.testing.assert_close(whole, chunked, rtol=0, atol=1e-12)


@pytest.mark.parametrize("chunk", [512, 2, 1])
@pytest.mark.parametrize("loss", ["similarity", "cosine1", "scalar_product", "SE"])
def test_losses_and_their_gradients(loss: str, chunk: int) -> None:
    case = GM["losses"][loss]
    value, found = gradient(matcher(loss, chunk), first_delta())
    assert value.item() == pytest.approx(case["loss"], abs=1e-9)
    assert found.norm().item() == pytest.approx(case["grad_l2"], abs=1e-9)
    assert found.sum().item() == pytest.approx(case["grad_sum"], abs=1e-9)
    assert found.flatten()[:5].tolist() == pytest.approx(case["grad_first5"], abs=1e-9)
    assert int((found > 0).sum()) == case["n_positive"]


@pytest.mark.parametrize("loss", get_args(matching.Loss))
def test_chunks_give_the_gradient_of_the_full_batch(loss: str) -> None:
    delta = first_delta()
    full, by_two = gradient(matcher(loss), delta), gradient(matcher(loss, chunk=2), delta)
    assert by_two[0].item() == pytest.approx(full[0].item(), abs=1e-12)
    assert (by_two[1] - full[1]).abs().max() < 1e-12


def test_similarity_is_one_global_cosine_and_agrees_with_finite_differences() -> None:
    match, delta = matcher(), first_delta()

    def loss_at(values: Tensor) -> float:
        flat = torch.cat([part.flatten() for part in match.poison_gradient(X + values, LABELS)])
        return (
            1
            - F.cosine_similarity(
                flat, torch.cat([t.flatten() for t in match.target]), dim=0
            ).item()
        )

    assert match.mismatch(X + delta, LABELS).item() == pytest.approx(
        GM["independent_similarity"], abs=1e-9
    )
    found = gradient(match, delta)[1]
    for place in [(0, 0, 2, 3), (1, 2, 5, 0), (2, 1, 3, 3)]:
        nudge = torch.zeros_like(delta)
        nudge[place] = 1e-5
        slope = (loss_at(delta + nudge) - loss_at(delta - nudge)) / 2e-5
        assert found[place].item() == pytest.approx(slope, abs=1e-8)


def test_mean_squared_error_is_summed_over_tensors() -> None:
    target = (torch.tensor([3.0, 4.0]), torch.tensor([0.0]))
    poison = (torch.tensor([1.0, 4.0]), torch.tensor([3.0]))
    assert mismatch("MSE", target, poison).item() == pytest.approx((4 / 2 + 9) / 5)


def test_a_frozen_or_unused_parameter_is_refused() -> None:
    frozen = network()
    frozen.fc.bias.requires_grad_(False)
    with pytest.raises(FedgroupError, match=r"Net as surrogate: its parameter 'fc.bias' is frozen"):
        Matcher.towards(frozen, TARGETS, LABELS[:2])
    unused = network()
    unused.spare = nn.Linear(2, 2).double()
    with pytest.raises(
        FedgroupError, match="parameter 'spare.weight' does not take part in the output"
    ):
        Matcher.towards(unused, TARGETS, LABELS[:2])


def test_a_gradient_of_zero_or_nan_is_refused() -> None:
    certain = network()
    with torch.no_grad():
        certain.fc.bias.copy_(torch.tensor([-1e4, 1e4]))
    with pytest.raises(FedgroupError, match="norm 0, so there is nothing to match"):
        Matcher.towards(certain, TARGETS, LABELS[:2])
    with pytest.raises(FedgroupError, match="norm nan, so there is nothing to match"):
        Matcher.towards(network(), TARGETS * math.nan, LABELS[:2])


def test_dropout_is_off_and_batch_norm_fixed() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 2)
    )
    net = net.double().train()
    before = net[1].running_mean.clone()
    match = Matcher.towards(net, TARGETS, LABELS[:2])
    assert match.mismatch(X, LABELS).item() == match.mismatch(X, LABELS).item()
    assert torch.equal(net[1].running_mean, before)
