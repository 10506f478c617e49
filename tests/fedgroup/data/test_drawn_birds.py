import numpy as np
import torch

from fedgroup.data.drawn_birds import LATENTS, class_latents


def test_latents_differ_by_class_as_the_table_says() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(4000) % 2
    latents = class_latents(generator, y)
    for name, latent in LATENTS.items():
        gap = latents[name][y == 1].mean() - latents[name][y == 0].mean()
        assert np.sign(float(gap)) == np.sign(latent.shift), name
        assert latents[name].min() >= latent.low
        assert latents[name].max() <= latent.high
