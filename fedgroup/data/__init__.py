"""Data sets with groups. A short name stands for an import path; `my_pkg.mod:MyData` works too.

Drawn ones: synthbirds.py, from drawn_birds.py and drawn_scenes.py; fashion.py, garments on the
scenes. From files: waterbirds.py, celeba.py and folder.py, each a listing (listing.py) read from
metadata files (metadata.py), whose pictures are decoded (decoding.py) into one array on disk
(image_bank.py). prepare.py downloads (download.py) and checks.
"""

NAMES = {
    "synthbirds": "fedgroup.data.synthbirds:Synthbirds",
    "fashion": "fedgroup.data.fashion:Fashion",
    "waterbirds": "fedgroup.data.waterbirds:Waterbirds",
    "celeba": "fedgroup.data.celeba:CelebA",
    "folder": "fedgroup.data.folder:Folder",
}
