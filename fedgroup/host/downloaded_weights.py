"""Weights that torchvision has downloaded: a file's name ends in the digest of what it must hold.

torch compares them when it downloads, and never again: a file that was cut or overwritten later
would be loaded as it is, or end in an error that names no file.
"""

import hashlib
import re
from pathlib import Path

import torch

from fedgroup.errors import FedgroupError

NAMED = re.compile(r"-([0-9a-f]{8,})\.pth?$")


def weights_cache() -> Path:
    """Return the folder of torch's downloaded weights; $TORCH_HOME moves it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def refuse_damaged(path: Path) -> None:
    """Refuse a downloaded file whose content is not what its name says; one to come is fine.

    Raises:
        FedgroupError: The file is damaged or cannot be read.
    """
    if not path.exists():
        return
    try:
        damaged = is_damaged(path)
    except OSError as error:
        raise FedgroupError(f"cannot read {path} ({error.strerror}): check its rights") from error
    if damaged:
        raise FedgroupError(
            f"{path} is damaged: its content is not what its name says; delete it, and it is "
            f"downloaded again"
        )


def is_damaged(path: Path) -> bool:
    """Return whether a file has a digest in its name that is not the start of its own."""
    named = NAMED.search(path.name)
    if named is None:
        return False
    with path.open("rb") as file:
        return not hashlib.file_digest(file, "sha256").hexdigest().startswith(named.group(1))
