"""Data sets with groups. A short name stands for an import path; `my_pkg.mod:MyData` works too."""

NAMES = {
    "synthbirds": "fedgroup.data.synthbirds:Synthbirds",
    "fashion": "fedgroup.data.fashion:Fashion",
    "waterbirds": "fedgroup.data.waterbirds:Waterbirds",
    "celeba": "fedgroup.data.celeba:CelebA",
    "folder": "fedgroup.data.folder:Folder",
}
