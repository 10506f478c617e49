"""Decode picture files exactly as the official code does, in parallel and in order."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedgroup.data.picture_modes import upright_rgb
from fedgroup.device import cores
from fedgroup.errors import FedgroupError

Transform = Callable[[Image.Image], Image.Image]
"""What is done to a picture before its pixels are taken."""
BLOCK = 256
"""Pictures decoded ahead of the writer."""
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What PIL raises on damaged files, depending on the format."""


def squash_and_crop(size: int) -> Transform:
    """Return Waterbirds' transform: both sides to 256, then the central 224, or in proportion."""
    whole = round(size * 256 / 224)

    def transform(image: Image.Image) -> Image.Image:
        image = image.resize((whole, whole), Image.Resampling.BILINEAR)
        return centre_crop(image, size)

    return transform


def crop_and_resize(crop: int, size: int) -> Transform:
    """Return CelebA's transform: crop the central square of `crop` pixels, resize to `size`."""

    def transform(image: Image.Image) -> Image.Image:
        return centre_crop(image, crop).resize((size, size), Image.Resampling.BILINEAR)

    return transform


def squash(size: int) -> Transform:
    """Return the transform that resizes both sides to `size`."""
    return lambda image: image.resize((size, size), Image.Resampling.BILINEAR)


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """Cut out the central square; offsets are rounded half to even, as in torchvision."""
    left = round((image.width - size) / 2)
    top = round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def decode(path: Path, transform: Transform) -> NDArray[np.uint8]:
    """Read one picture as upright RGB and transform it, (H, W, 3) uint8.

    Raises:
        FedgroupError: The picture is missing, damaged, too large or of more than 16 bits.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(transform(upright_rgb(image, path)), np.uint8)
    except FedgroupError:
        raise
    except Image.DecompressionBombError as error:
        raise FedgroupError(
            f"image {path} is too large to decode ({' '.join(str(error).split())}): shrink it"
        ) from error
    except FileNotFoundError as error:
        raise FedgroupError(
            f"image {path} is missing: restore it, or fetch the data set again"
        ) from error
    except BROKEN as error:
        raise FedgroupError(
            f"image {path} is truncated or not an image ({error}): "
            f"restore it, or fetch the data set again"
        ) from error


def decode_all(paths: Sequence[Path], transform: Transform) -> Iterator[NDArray[np.uint8]]:
    """Decode pictures in order, in blocks (B, H, W, 3) uint8, on all cores (PIL releases the GIL).

    After a bad picture nothing more is yielded, but the rest is still read: one error names them
    all.

    Raises:
        FedgroupError: Pictures cannot be used.
    """

    def attempt(path: Path) -> NDArray[np.uint8] | FedgroupError:
        try:
            return decode(path, transform)
        except FedgroupError as error:
            return error

    bad: list[tuple[Path, FedgroupError]] = []
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            good = []
            for path, result in zip(block, pool.map(attempt, block), strict=True):
                if isinstance(result, FedgroupError):
                    bad.append((path, result))
                else:
                    good.append(result)
            if not bad:
                yield np.stack(good)
    if len(bad) == 1:
        raise bad[0][1]
    if bad:
        few = ", ".join(str(path) for path, _ in bad[:3])
        raise FedgroupError(
            f"{len(bad)} of {len(paths)} images cannot be used, e.g. {few}: restore them, or fetch "
            f"the data set again (the first one: {bad[0][1]})"
        ) from bad[0][1]


def require_files(paths: Sequence[Path], name: str) -> None:
    """Refuse a data set with missing pictures before anything is decoded, naming a few."""
    folders: dict[Path, set[str]] = {}  # names in each folder, listed once
    missing = []
    for path in paths:
        if path.parent not in folders:
            names = os.listdir(path.parent) if path.parent.is_dir() else []  # noqa: PTH208
            folders[path.parent] = set(names)
        if path.name not in folders[path.parent]:
            missing.append(path)
    if missing:
        few = ", ".join(str(path) for path in missing[:3])
        raise FedgroupError(
            f"{name}: {len(missing)} of {len(paths)} images are missing, e.g. {few}: "
            f"unpack the images beside the metadata, or fetch the data set again"
        )
