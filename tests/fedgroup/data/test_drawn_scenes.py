import colorsys

import pytest
import torch

from fedgroup.data.drawn_scenes import backgrounds, colour


def test_hsv_against_the_standard_library() -> None:
    h, s, v = torch.rand(3, 50, generator=torch.Generator().manual_seed(1))
    ours = colour(h, s, v)
    for i in range(50):
        assert ours[i].tolist() == pytest.approx(
            colorsys.hsv_to_rgb(float(h[i]), float(s[i]), float(v[i])), abs=1e-6
        )


def test_backgrounds_stay_in_range() -> None:
    image = backgrounds(torch.Generator().manual_seed(0), torch.tensor([True, False] * 8), 32)
    assert image.shape == (16, 3, 32, 32)
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1
