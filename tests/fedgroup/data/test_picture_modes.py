"""Every picture becomes upright RGB by one rule; what has none is refused in one line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fedgroup.data.decoding import decode, squash
from fedgroup.data.picture_modes import ORIENTATION, TURNS
from fedgroup.errors import FedgroupError

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)


def as_it_is(image: Image.Image) -> Image.Image:
    return image


def corners() -> Image.Image:
    """8x4 pixels, a quarter each: red and green above, blue and grey below."""
    image = Image.new("RGB", (8, 4))
    for n, colour in enumerate((RED, GREEN, BLUE, GREY)):
        image.paste(colour, (4 * (n % 2), 2 * (n // 2), 4 * (n % 2) + 4, 2 * (n // 2) + 2))
    return image


def colours_of(pixels: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Colours of the corners: above left and right, below left and right."""
    return [tuple(map(int, pixels[y, x])) for y in (0, -1) for x in (0, -1)]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(orientation: int, kind: str, tmp_path: Path) -> None:
    back = {6: 8, 8: 6}.get(orientation, orientation)  # a quarter turn is undone by the other one
    stored = corners() if orientation == 1 else corners().transpose(TURNS[back])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "x"
    lossless = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0}
    stored.save(path, kind, exif=exif, **({} if kind in ("PNG", "TIFF") else lossless))
    pixels = decode(path, as_it_is)
    assert pixels.shape == (4, 8, 3)
    with Image.open(path) as image:
        assert np.array_equal(pixels, np.asarray(ImageOps.exif_transpose(image)))  # Pillow's own
    for seen, meant in zip(colours_of(pixels), (RED, GREEN, BLUE, GREY), strict=True):
        assert np.abs(np.subtract(seen, meant)).max() <= (60 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_none(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    corners().save(tmp_path / "x.png", exif=exif)
    assert colours_of(decode(tmp_path / "x.png", as_it_is)) == [RED, GREEN, BLUE, GREY]


def test_a_damaged_exif_note_is_none(tmp_path: Path) -> None:
    corners().save(tmp_path / "x.png", exif=b"Exif\0\0garbage")
    assert colours_of(decode(tmp_path / "x.png", as_it_is)) == [RED, GREEN, BLUE, GREY]


def test_transparent_parts_lie_over_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 102, 255)):
        image.putpixel((x, 0), (200, 0, 50, alpha))
    image.save(tmp_path / "rgba.png")
    expected = [[255, 255, 255], [233, 153, 173], [200, 0, 50]]  # 255 + alpha / 255 (c - 255)
    assert decode(tmp_path / "rgba.png", as_it_is)[0].tolist() == expected
    grey = Image.new("LA", (2, 1), (10, 0))
    grey.putpixel((1, 0), (10, 255))
    grey.save(tmp_path / "la.png")
    assert decode(tmp_path / "la.png", as_it_is)[0].tolist() == [[255] * 3, [10] * 3]


def test_palettes_become_their_colours_also_with_a_transparent_one(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    for x in range(3):
        image.putpixel((x, 0), x)
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "holed.png", transparency=1)
    image.save(tmp_path / "holed.gif", transparency=1)
    rows = {p.name: decode(p, as_it_is)[0].tolist() for p in sorted(tmp_path.iterdir())}
    assert rows["plain.png"] == [list(RED), list(GREEN), list(BLUE)]
    assert rows["holed.png"] == rows["holed.gif"] == [list(RED), [255] * 3, list(BLUE)]


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_converted(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
    assert np.abs(decode(path, as_it_is).astype(int) - RED).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_of_sixteen_bits_the_upper_eight_are_taken(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(path)
    assert decode(path, as_it_is)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_sixteen_bit_colours_follow_the_same_rule(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = zlib.compress(b"\0" + struct.pack(">HHH", 65535, 255, 0x8001))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(data)
    assert decode(tmp_path / "x.png", as_it_is).tolist() == [[[255, 0, 128]]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 4), 70_000, np.int32), r"numbers from 70000 to 70000 .*convert it to 8 or 16"),
        (np.full((4, 4), -1, np.int32), "numbers from -1 to -1"),
        (np.full((4, 4), 0.5, np.float32), "holds decimals .*convert it to 8 or 16 bits"),
    ],
)
def test_other_numbers_are_refused(array: NDArray[np.int32], words: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(array).save(path)
    with pytest.raises(FedgroupError, match=words) as caught:
        decode(path, squash(8))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animated_picture_the_first_frame_is_taken(kind: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    extra = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(tmp_path / "x", kind, save_all=True, append_images=frames[1:], **extra)
    assert colours_of(decode(tmp_path / "x", as_it_is)) == [RED] * 4


def test_one_pixel_is_a_picture_and_black_and_white_too(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", squash(8)).tolist() == [[[1, 2, 3]] * 8] * 8
    Image.new("1", (2, 2), 1).save(tmp_path / "bw.png")
    assert decode(tmp_path / "bw.png", as_it_is).min() == 255


def test_a_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    def header(side: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "PNG")
        data = bytearray(buffer.getvalue())
        data[16:24] = struct.pack(">II", side, side)
        data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
        return bytes(data)

    (tmp_path / "huge.png").write_bytes(header(20_000))
    with pytest.raises(FedgroupError, match=r"huge\.png is too large .*400000000.*shrink it"):
        decode(tmp_path / "huge.png", squash(8))
    assert not recwarn.list


def test_the_content_counts_and_not_the_extension(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    corners().save(path, "PNG")
    assert colours_of(decode(path, as_it_is)) == [RED, GREEN, BLUE, GREY]
    path.write_text("<html>404</html>")
    with pytest.raises(FedgroupError, match=r"x\.jpg is truncated or not an image") as caught:
        decode(path, squash(8))
    assert "\n" not in str(caught.value)
