"""Where the images of a run are: on the device where it has room, else in memory."""

from dataclasses import replace

import torch

from fedgroup.dataset import Splits
from fedgroup.device import images_fit


def _images(splits: Splits) -> dict[int, torch.Tensor]:
    """Return the banks and extra images behind the splits by id(): shared ones are there once."""
    tensors = (
        tensor for split in splits for tensor in (split.bank, split.extra) if tensor is not None
    )
    return {id(tensor): tensor for tensor in tensors}


def image_bytes(splits: Splits) -> int:
    """Return the bytes of all images behind the splits, shared ones counted once."""
    return sum(tensor.nbytes for tensor in _images(splits).values())


def place(splits: Splits, device: torch.device) -> Splits:
    """Return the splits with their images on `device` where all fit; each bank is moved once."""
    if not images_fit(device, image_bytes(splits)):
        return splits
    moved = {key: tensor.to(device) for key, tensor in _images(splits).items()}
    return Splits(
        *(
            replace(part, bank=moved[id(part.bank)], extra=moved.get(id(part.extra)))
            for part in splits
        )
    )
