"""Gradient matching against the official loss class and transform, executed in float64 (attacks_cases.json)."""

import json
import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.attacks.gradient_matching import matching
from fedgroup.attacks.gradient_matching.augment import largest_shift, shift_and_flip
from fedgroup.attacks.gradient_matching.matching import (
    Matcher,
    descend,
    milestones,
    mismatch,
    rates,
)
from fedgroup.attacks.gradient_matching.perturbation import Box, to_bytes
from fedgroup.errors import FedgroupError
from tests.paths import CASES

CASES: dict[str, Any] = json.loads((CASES / "attacks_cases.json").read_text())
GM = CASES["gm"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LABELS = torch.ones(3, dtype=torch.int64)


def wave(shape: tuple[int, ...], a: float, b: float, scale: float) -> Tensor:
    """The case file's filling: scale * sin(a k + b), k the flat C-order index."""
    return scale * torch.sin(a * torch.arange(math.prod(shape), dtype=torch.float64) + b).reshape(
        shape
    )


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 1, 1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))


def network() -> Net:
    net = Net().double()
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(wave(tuple(parameter.shape), 0.7, 0.1 + 0.3 * i, 0.4))
    return net


def column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)


def normalised(raw: Tensor) -> Tensor:
    return (raw - column(MEAN)) / column(STD)


RAW = (wave((3, 3, 6, 6), 0.37, 0.2, 0.55) + 0.5).clamp(0, 1)
X = normalised(RAW)
TARGETS = normalised((wave((2, 3, 6, 6), 0.53, 1.1, 0.55) + 0.5).clamp(0, 1))


def first_delta() -> Tensor:
    return Box.around(X, 16.0, MEAN, STD).start(wave((3, 3, 6, 6), 0.91, 0.4, 1))


def matcher(loss: Any = "similarity", chunk: int = 512) -> Matcher:
    return Matcher.towards(
        network(), TARGETS, torch.ones(2, dtype=torch.int64), loss=loss, chunk=chunk
    )


def gradient(match: Matcher, delta: Tensor, batch: slice = slice(0, 3)) -> tuple[Tensor, Tensor]:
    return match.gradient(delta, LABELS, lambda part_delta, part: X[part] + part_delta, batch)


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

    assert match.measure(X + delta, LABELS).item() == pytest.approx(
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


def test_batches_are_matched_each_on_its_own() -> None:
    case, match, delta = GM["two_batches_2_plus_1"], matcher(), first_delta()
    losses = [gradient(match, delta, part)[0].item() for part in (slice(0, 2), slice(2, 3))]
    assert losses == pytest.approx([case["loss_batch0"], case["loss_batch1"]], abs=1e-9)
    box = Box.around(X, 16.0, MEAN, STD)
    _, trace = descend(match, delta, LABELS, box, show, steps=1, lr=0.1, batch=2)
    assert trace[0].item() == pytest.approx(case["score_reported"], abs=1e-9)


def show(step: int, delta: Tensor, part: slice) -> Tensor:
    return X[part] + delta


@pytest.mark.parametrize("chunk", [512, 1])
def test_six_steps_of_signed_adam(chunk: int) -> None:
    case, box, delta = GM["signadam_6_steps"], Box.around(X, 16.0, MEAN, STD), first_delta()
    after: list[Tensor] = []
    _, trace = descend(
        matcher(chunk=chunk), delta, LABELS, box, show,
        steps=6, lr=case["tau0"], batch=512, progress=lambda step: after.append(delta.clone()),
    )  # fmt: skip
    for loss, values, row in zip(trace, after, case["trace"], strict=True):
        assert loss.item() == pytest.approx(row["loss_before_update"], abs=1e-9)
        assert values.sum().item() == pytest.approx(row["delta_sum"], abs=1e-9)
        assert values.norm().item() == pytest.approx(row["delta_l2"], abs=1e-9)
        at_eps = (values.abs() >= box.eps - 1e-12).double().mean().item()
        assert at_eps == pytest.approx(row["frac_at_eps"], abs=1e-9)
    base = torch.floor(RAW * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
    images = to_bytes(((X + delta) * column(STD) + column(MEAN)).permute(0, 2, 3, 1), base, 16.0)
    assert images.permute(0, 3, 1, 2).flatten()[:10].tolist() == case["uint8_first10"]
    change = (images.int() - base.int()).abs().max().item()
    assert change == case["max_abs_pixel_change_uint8"]


def test_the_learning_rate_falls_at_the_official_steps() -> None:
    for steps, expected in GM["milestones"].items():
        assert list(milestones(int(steps))) == expected
    case = GM["signadam_6_steps"]
    assert list(milestones(6)) == case["milestones"]
    assert rates(6, case["tau0"]) == pytest.approx(case["lr_used"], rel=1e-12)
    assert rates(250, 0.1)[-1] == pytest.approx(1e-4)


def test_projection_onto_the_box() -> None:
    case = CASES["projection"]
    raw = torch.tensor(case["raw"], dtype=torch.float64).expand(3, -1).reshape(1, 3, 1, 5)
    box = Box.around(normalised(raw), 16.0, MEAN, STD)
    assert box.eps.flatten().tolist() == pytest.approx(case["eps_norm_units"], abs=1e-12)
    before = torch.tensor(case["delta_before_norm_units"], dtype=torch.float64).expand(1, 3, 1, 5)
    after = torch.clamp(before, box.low, box.high)
    pixels = (normalised(raw) + after) * column(STD) + column(MEAN)
    for channel, expected in enumerate(case["per_channel"]):
        assert after[0, channel, 0].tolist() == pytest.approx(expected["delta_norm"], abs=1e-12)
        assert pixels[0, channel, 0].tolist() == pytest.approx(expected["pixel"], abs=1e-12)


@pytest.mark.parametrize("kind", ["noflip", "flip"])
def test_shift_and_flip(kind: str) -> None:
    case = CASES["augment"]
    image = (torch.arange(64, dtype=torch.float64) / 63).reshape(1, 1, 8, 8)
    draws = torch.tensor([case[f"randgen_{kind}"]], dtype=torch.float64)
    out = shift_and_flip(image, draws, case["shift"])
    row, total = ("out_row0", "out_sum") if kind == "noflip" else ("flip_row0", "flip_sum")
    assert out[0, 0, 0].tolist() == pytest.approx(case[row], abs=1e-9)
    assert out.sum().item() == pytest.approx(case[total], abs=1e-9)


def test_shift_of_the_official_presets() -> None:
    case = CASES["augment"]
    for side, name in ((32, "cifar32"), (64, "tiny64"), (224, "imagenet224")):
        assert largest_shift(side) / (side - 1) == pytest.approx(
            case["delta_by_preset"][name], abs=1e-12
        )


def test_gradients_pass_through_the_shift() -> None:
    images = wave((2, 3, 5, 7), 0.3, 0.1, 1).requires_grad_()
    draws = torch.tensor([[0.9, 0.2, 0.7, 0.0], [0.5, 0.5, 0.1, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: shift_and_flip(x, draws, 2), images)
    # no shift, no flip: the image itself
    torch.testing.assert_close(shift_and_flip(images, draws)[1], images[1])


def test_rounding_is_clamped_to_the_bound() -> None:
    base = torch.tensor([0, 5, 100, 254, 255], dtype=torch.uint8).reshape(1, 1, 5, 1)
    pixels = torch.tensor([-0.1, 7.4 / 255, 101.6 / 255, 1.1, 253.4 / 255]).reshape(1, 1, 5, 1)
    assert to_bytes(pixels, base, 1.5).flatten().tolist() == [0, 6, 101, 255, 254]
    assert to_bytes(pixels, base, 0.0).flatten().tolist() == base.flatten().tolist()
    assert to_bytes(pixels, base, 255.0).flatten().tolist() == [0, 7, 102, 255, 253]


def test_the_start_is_clipped_noise() -> None:
    box = Box.around(torch.zeros(1, 3, 100, 100), 16.0, MEAN, STD)
    start = box.start(torch.randn(1, 3, 100, 100, generator=torch.Generator().manual_seed(0)))
    assert bool((start.abs() <= box.eps).all())
    share = (start.abs() == box.eps).float().mean().item()
    assert share == pytest.approx(
        math.erfc(1 / math.sqrt(2)), abs=0.01
    )  # 32 % of a normal lies beyond 1


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
    assert match.measure(X, LABELS).item() == match.measure(X, LABELS).item()
    assert torch.equal(net[1].running_mean, before)
