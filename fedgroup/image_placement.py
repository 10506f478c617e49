"""Where the images of a run are: on the device where it has room, else in memory."""

from dataclasses import replace

import torch

from fedgroup.dataset import Splits

BANK_SHARE = 0.25
"""Largest share of a GPU's free memory that a process fills with images."""


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


def images_fit(device: torch.device, size: int) -> bool:
    """Return whether `size` bytes of images may stay on the device; else each batch is sent."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return size <= BANK_SHARE * free
