"""Views of a data set: what a batch holds."""

import numpy as np
import torch

from tests.toy import ToyData

TRAIN = ToyData().load().train


def test_normalisation_by_hand() -> None:
    batch = TRAIN.batch(np.array([0, 3]))
    image = TRAIN.pixels(np.array([0, 3])).numpy().astype(np.float64)
    expected = (image / 255 - 0.5) / 0.25
    assert np.allclose(batch.x.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
    assert batch.x.is_contiguous(memory_format=torch.channels_last)
