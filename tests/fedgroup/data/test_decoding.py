import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from fedgroup.data import decoding as module
from fedgroup.data.decoding import (
    Transform,
    crop_and_resize,
    decode,
    decode_all,
    require_files,
    squash,
    squash_and_crop,
)
from fedgroup.errors import FedgroupError

SIZES = [(40, 60), (60, 40), (178, 218), (501, 333), (179, 219), (224, 224), (31, 300)]


def noise(size: tuple[int, int], channels: int = 3) -> Image.Image:
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(sum(size)).integers(0, 256, shape, dtype=np.uint8))


def torchvisions(name: str, size: int) -> Transform:
    whole = round(size * 256 / 224)
    made: Transform = {
        "waterbirds": transforms.Compose(
            [transforms.Resize((whole, whole)), transforms.CenterCrop(size)]
        ),
        "celeba": transforms.Compose([transforms.CenterCrop(178), transforms.Resize((size, size))]),
        "folder": transforms.Resize((size, size)),
    }[name]
    return made


@pytest.mark.parametrize("size", [224, 64, 33])
@pytest.mark.parametrize(
    ("name", "picture"),
    [
        (n, p)
        for n in ("waterbirds", "folder", "celeba")
        for p in SIZES
        if n != "celeba" or min(p) >= 178
    ],
)
def test_transforms_give_torchvisions_bytes(name: str, size: int, picture: tuple[int, int]) -> None:
    mine = {
        "waterbirds": squash_and_crop(size),
        "celeba": crop_and_resize(178, size),
        "folder": squash(size),
    }[name]
    image = noise(picture)
    made = mine(image)
    assert made.size == (size, size)
    assert made.tobytes() == torchvisions(name, size)(image).tobytes()


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "jpg"), ("CMYK", "jpg"), ("P", "png"), ("RGBA", "png")]
)
def test_other_modes_become_rgb(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    noise((40, 30)).convert(mode).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
        expected = np.asarray(image.convert("RGB").resize((16, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(decode(path, squash(16)), expected)


def test_a_picture_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.png"
    noise((50, 50)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(FedgroupError, match=r"huge\.png is too large"):
        decode(path, squash(8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_every_damage_is_one_clear_error(kind: str, tmp_path: Path) -> None:
    """Cut or scrambled files either still decode or are refused by name: never another exception."""
    buffer = io.BytesIO()
    noise((24, 24)).save(buffer, kind)
    whole, generator, refused = buffer.getvalue(), np.random.default_rng(1), 0
    path = tmp_path / "x"
    for n in range(120):
        data = bytearray(whole)
        if n % 2:
            data = data[: generator.integers(0, len(whole) // 2)]
        else:
            for _ in range(4):
                data[generator.integers(0, min(len(whole), 200))] = generator.integers(0, 256)
        path.write_bytes(data)
        try:
            decode(path, squash(8))
        except FedgroupError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused >= 50


def test_order_is_kept_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    paths = [tmp_path / f"{n}.png" for n in range(10)]
    for n, path in enumerate(paths):
        Image.new("RGB", (9, 9), (n, 2 * n, 3 * n)).save(path)
    blocks = list(decode_all(paths, squash(8)))
    assert [len(block) for block in blocks] == [4, 4, 2]
    assert np.concatenate(blocks)[:, 0, 0].tolist() == [[n, 2 * n, 3 * n] for n in range(10)]
    assert list(decode_all([], squash(8))) == []


def test_all_bad_pictures_are_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    paths = [tmp_path / f"{n}.png" for n in range(12)]
    for path in paths:
        noise((9, 9)).save(path)
    for n in (2, 5, 6, 11):
        paths[n].write_bytes(b"\x89PNG")
    with pytest.raises(FedgroupError) as caught:
        list(decode_all(paths, squash(8)))
    message = str(caught.value)
    assert message.startswith("4 of 12 images cannot be used")
    assert all(str(paths[n]) in message for n in (2, 5, 6))
    assert str(paths[11]) not in message, "a few names are enough"


def test_missing_files_are_found_before_decoding(tmp_path: Path) -> None:
    there = tmp_path / "a.png"
    noise((9, 9)).save(there)
    require_files([there], "mine")
    gone = [tmp_path / "nowhere" / f"{n}.png" for n in range(5)]
    with pytest.raises(
        FedgroupError, match=r"mine: 5 of 6 images are missing, e\.g\. .*0\.png.*2\.png: "
    ):
        require_files([there, *gone], "mine")
    with pytest.raises(FedgroupError, match=r"0\.png is missing"):
        decode(gone[0], squash(8))
    with pytest.raises(FedgroupError, match="not an image"):
        decode(tmp_path, squash(8))
