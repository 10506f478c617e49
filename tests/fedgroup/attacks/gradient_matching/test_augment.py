"""Shift and flip against the official transform."""

import pytest
import torch

from fedgroup.attacks.gradient_matching.augment import largest_shift, shift_and_flip
from tests.fedgroup.attacks.gradient_matching.official import OFFICIAL, wave


@pytest.mark.parametrize("kind", ["noflip", "flip"])
def test_shift_and_flip(kind: str) -> None:
    case = OFFICIAL["augment"]
    image = (torch.arange(64, dtype=torch.float64) / 63).reshape(1, 1, 8, 8)
    draws = torch.tensor([case[f"randgen_{kind}"]], dtype=torch.float64)
    out = shift_and_flip(image, draws, case["shift"])
    row, total = ("out_row0", "out_sum") if kind == "noflip" else ("flip_row0", "flip_sum")
    assert out[0, 0, 0].tolist() == pytest.approx(case[row], abs=1e-9)
    assert out.sum().item() == pytest.approx(case[total], abs=1e-9)


def test_shift_of_the_official_presets() -> None:
    case = OFFICIAL["augment"]
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
