"""Tiny data sets in the exact on-disk formats, for tests and for trying commands by hand.

python -m tests.fedgroup.data.fixtures waterbirds FOLDER      (also: celeba, fashion, folder)
"""

import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WATERBIRDS_HEAD = "img_id,img_filename,y,split,place,place_filename"
ATTRIBUTES = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]
BLOND, MALE = ATTRIBUTES.index("Blond_Hair"), ATTRIBUTES.index("Male")


def picture(
    path: Path, size: tuple[int, int], colour: tuple[int, int, int], grey: bool = False
) -> None:
    """A JPEG of one colour with noise, so that a small network can tell the groups apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(sum(path.name.encode()))
    pixels = np.clip(np.array(colour) + generator.integers(-20, 20, (size[1], size[0], 3)), 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    (image.convert("L") if grey else image).save(path, quality=95)


def waterbirds(
    root: Path, per_pair: int = 2, images: bool = True, groups: Sequence[int] = (0, 1, 2, 3)
) -> Path:
    """Waterbirds' tree with interleaved splits and one grey JPEG.

    Every split holds `per_pair` birds for each entry of `groups`; an entry may occur several times.
    """
    folder = root / "waterbird_complete95_forest2water2"
    species = ("001.Black_footed_Albatross", "017.Cardinal", "052.Pied_billed_Grebe")
    rows = []
    for number in range(per_pair * 3 * len(groups)):
        group, split = groups[number % len(groups)], (number // len(groups)) % 3
        y, place = divmod(group, 2)
        name = f"{species[number % 3]}/{species[number % 3][4:]}_{number:04d}_{number + 7}.jpg"
        scene = "/o/ocean/00002178.jpg" if place else "/b/bamboo_forest/00000043.jpg"
        rows.append(f"{number + 1},{name},{y},{split},{place},{scene}")
        if images:
            size = (40, 60) if number % 2 else (60, 40)
            picture(folder / name, size, (60 + 120 * y, 90, 60 + 120 * place), grey=number == 5)
    write_metadata(folder, rows)
    return folder


def write_metadata(folder: Path, rows: Sequence[str]) -> Path:
    """Write a Waterbirds metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "metadata.csv"
    path.write_text("\n".join([WATERBIRDS_HEAD, *rows]) + "\n")
    return path


def waterbirds_rows(counts: dict[str, tuple[int, ...]]) -> list[str]:
    """Metadata rows with given group counts per split (train, val, test), in a mixed order."""
    samples = [
        (g, s)
        for s, sizes in enumerate(counts.values())
        for g, n in enumerate(sizes)
        for _ in range(n)
    ]
    order = np.random.default_rng(0).permutation(len(samples))
    return [
        f"{i + 1},001.Bird/Bird_{i:05d}.jpg,{samples[k][0] // 2},{samples[k][1]},{samples[k][0] % 2},/o/ocean/1.jpg"
        for i, k in enumerate(order)
    ]


def celeba(root: Path, dialect: str = "official", per_pair: int = 2, images: bool = True) -> Path:
    """CelebA's tree in one of its dialects: official, kaggle, george, jtt or subpop."""
    samples = [(n % 4, (n // 4) % 3) for n in range(per_pair * 12)]
    write_celeba(root, dialect, samples)
    if images:
        sub = "img_align_celeba/img_align_celeba" if dialect == "kaggle" else "img_align_celeba"
        for n, (group, _) in enumerate(samples):
            y, a = divmod(group, 2)
            picture(root / sub / f"{n + 1:06d}.jpg", (178, 218), (60 + 120 * y, 90, 60 + 120 * a))
    return root


def write_celeba(root: Path, dialect: str, samples: Sequence[tuple[int, int]]) -> None:
    """Write CelebA's attribute and split files for (group, split) samples."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{n + 1:06d}.jpg" for n in range(len(samples))]
    signs = []
    for group, _ in samples:
        row = ["-1"] * 40
        row[BLOND], row[MALE] = ("1" if group // 2 else "-1"), ("1" if group % 2 else "-1")
        signs.append(row)
    parts = [split for _, split in samples]
    if dialect == "official":
        lines = [str(len(samples)), " ".join(ATTRIBUTES) + " "]
        lines += [
            f"{n} " + " ".join(f"{v:>2}" for v in row) for n, row in zip(names, signs, strict=True)
        ]
        (root / "list_attr_celeba.txt").write_bytes("\r\n".join(lines).encode() + b"\r\n")
        write_celeba_splits(root, dialect, samples)
    elif dialect in ("kaggle", "george"):
        sep, end = (",", "\n") if dialect == "kaggle" else (" ", "\r\n")
        head = sep.join(["image_id", *ATTRIBUTES])
        body = [sep.join([n, *row]) for n, row in zip(names, signs, strict=True)]
        (root / "list_attr_celeba.csv").write_bytes(end.join([head, *body]).encode())
        write_celeba_splits(root, dialect, samples)
    elif dialect == "jtt":
        head = ",".join(["", "image_id", *ATTRIBUTES, "split"])
        body = [
            ",".join([str(i), n, *row, str(s)])
            for i, (n, row, s) in enumerate(zip(names, signs, parts, strict=True))
        ]
        (root / "metadata.csv").write_text("\n".join([head, *body]) + "\n")
    elif dialect == "subpop":
        rows = [
            f"{i},img_align_celeba/{n},{s},{g // 2},{g % 2}"
            for i, (n, s, (g, _)) in enumerate(zip(names, parts, samples, strict=True))
        ]
        (root / "metadata_celeba.csv").write_text(
            "\n".join(["id,filename,split,y,a", *rows]) + "\n"
        )
    else:
        raise ValueError(dialect)


def write_celeba_splits(root: Path, dialect: str, samples: Sequence[tuple[int, int]]) -> None:
    """Write CelebA's split file as the official, kaggle or george copies have it."""
    root.mkdir(parents=True, exist_ok=True)
    pairs = [(f"{n + 1:06d}.jpg", split) for n, (_, split) in enumerate(samples)]
    if dialect == "official":
        text = "".join(f"{name} {split}\r\n" for name, split in pairs)
        (root / "list_eval_partition.txt").write_bytes(text.encode())
        return
    sep, end = (",", "\n") if dialect == "kaggle" else (" ", "\r\n")
    lines = [f"image_id{sep}partition", *(f"{name}{sep}{split}" for name, split in pairs)]
    last = "\r\n" if dialect == "george" else ""  # by the sizes of the known copies
    (root / "list_eval_partition.csv").write_bytes((end.join(lines) + last).encode())


def idx(path: Path, array: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> None:
    """Write an idx file of bytes, gzipped where the name says so."""
    magic = 2048 + array.ndim
    data = (
        magic.to_bytes(4, "big")
        + b"".join(n.to_bytes(4, "big") for n in array.shape)
        + array.tobytes()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def fashion(root: Path, train: int = 60_000, test: int = 10_000, suffix: str = ".gz") -> Path:
    """Fashion-MNIST's four files with random garments."""
    generator = np.random.default_rng(0)
    for name, count in (("train", train), ("t10k", test)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 6:22, 8:20] = generator.integers(60, 255, (count, 1, 1), dtype=np.uint8)
        idx(root / f"{name}-images-idx3-ubyte{suffix}", images)
        idx(root / f"{name}-labels-idx1-ubyte{suffix}", labels)
    return root


def folder(root: Path, per_pair: int = 3) -> Path:
    """The no-code layout: images/ and metadata.csv with words for y, a and split."""
    rows = []
    for n in range(per_pair * 12):
        group, split = n % 4, (n // 4) % 3
        y, a = divmod(group, 2)
        picture(root / "images" / f"p{n}.png", (20, 24), (60 + 120 * y, 90, 60 + 120 * a))
        rows.append(
            f"p{n}.png,{('cat', 'dog')[y]},{('day', 'night')[a]},{('train', 'val', 'test')[split]}"
        )
    (root / "metadata.csv").write_text("\n".join(["file,y,a,split", *rows]) + "\n")
    return root


def main() -> None:
    made = {"waterbirds": waterbirds, "celeba": celeba, "fashion": fashion, "folder": folder}
    print(made[sys.argv[1]](Path(sys.argv[2])))  # type: ignore[operator]


if __name__ == "__main__":
    main()
