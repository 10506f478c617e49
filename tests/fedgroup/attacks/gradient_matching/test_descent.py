"""Signed Adam against the official code's steps."""

import pytest
import torch
from torch import Tensor

from fedgroup.attacks.gradient_matching.descent import descend, milestones, rates
from fedgroup.attacks.gradient_matching.perturbation import Box, to_bytes
from tests.fedgroup.attacks.gradient_matching.official import (
    GM,
    LABELS,
    MEAN,
    RAW,
    STD,
    X,
    column,
    first_delta,
    gradient,
    matcher,
)


def show(step: int, delta: Tensor, part: slice) -> Tensor:
    return X[part] + delta


def test_batches_are_matched_each_on_its_own() -> None:
    case, match, delta = GM["two_batches_2_plus_1"], matcher(), first_delta()
    losses = [gradient(match, delta, part)[0].item() for part in (slice(0, 2), slice(2, 3))]
    assert losses == pytest.approx([case["loss_batch0"], case["loss_batch1"]], abs=1e-9)
    box = Box.around(X, 16.0, MEAN, STD)
    _, trace = descend(match, delta, LABELS, box, show, steps=1, lr=0.1, batch=2)
    assert trace[0].item() == pytest.approx(case["score_reported"], abs=1e-9)


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
