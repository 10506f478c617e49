"""Any picture as RGB of 8 bits, upright: one rule for every file format and mode.

1. Of several frames or pages, the first.
2. Turned and mirrored as its EXIF orientation says; a note that cannot be read is none.
3. Of 16 bits per channel, the upper 8; numbers of 32 bits and decimals are refused.
4. Transparent parts laid over white, in proportion.
5. Palettes, greys, CMYK, YCbCr and LAB by Pillow's conversion to RGB; colour profiles are not
   applied.
"""

import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedgroup.errors import FedgroupError

UNREADABLE = (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error)
"""What Pillow raises on a damaged EXIF note."""
ORIENTATION = 0x0112
"""Tag of the orientation in EXIF."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of each orientation upright."""

# Pillow warns from half the number of pixels that it refuses: the refusal is enough
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def upright_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Return an opened picture as RGB, converted by the rule above.

    Args:
        image: The picture, at its first frame.
        path: Its file, for messages.

    Raises:
        FedgroupError: It has more than 16 bits per channel.
    """
    image.load()  # a TIFF turns itself here
    image = _upright(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode == "I":
        image = Image.fromarray(_upper_bits(image, path))
    elif image.mode == "F":
        raise FedgroupError(f"image {path} holds decimals (mode F): convert it to 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Return the picture turned as its EXIF orientation says."""
    try:
        method = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except UNREADABLE:
        return image
    return image if method is None else image.transpose(method)


def _upper_bits(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Return the upper 8 of 16 bits of a picture that Pillow holds in 32."""
    values = np.asarray(image)
    if values.size and not 0 <= values.min() <= values.max() < 1 << 16:
        raise FedgroupError(
            f"image {path} holds numbers from {values.min()} to {values.max()} (mode I): "
            f"convert it to 8 or 16 bits"
        )
    return (values >> 8).astype(np.uint8)
