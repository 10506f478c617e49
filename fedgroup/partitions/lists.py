"""A partition of your own, read from a file of index lists."""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import validate


@dataclass(frozen=True)
class Lists:
    """Your own partition: a file with one list of training positions per client.

    JSON: a list of lists. npz: what numpy.savez(file, *parts) writes, arrays arr_0, arr_1, ...
    (or 0, 1, ...). The number of clients is that of the file.
    """

    place_settings: ClassVar[tuple[str, ...]] = ("file",)

    file: str = ""
    """Path of the .json or .npz file."""
    complete: bool = True
    """Every sample must be dealt to some client."""

    def files(self) -> list[Path]:
        """Return the file of lists."""
        return [Path(self.file).expanduser()] if self.file else []

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Read and check the lists; the seed is not used."""
        if not self.file:
            raise FedgroupError(
                "partition lists needs a file: set file to the path of a .json or .npz"
            )
        path = Path(self.file).expanduser()
        try:
            parts = _npz(path) if path.suffix.lower() == ".npz" else _json(path)
        except OSError as error:
            raise FedgroupError(
                f"partition file: cannot read '{self.file}' ({error.strerror or error})"
            ) from error
        try:
            return validate(parts, len(train), self.complete)
        except FedgroupError as error:
            raise FedgroupError(f"partition file {path}: {error}") from error


def _json(path: Path) -> list[Ints]:
    wanted = f"{path} must hold a JSON list of lists of whole numbers, one per client"
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FedgroupError(f"{wanted} ({error})") from error
    if not isinstance(lists, list) or not lists:
        raise FedgroupError(wanted)
    return [_whole(part, f"{wanted}; client {client}") for client, part in enumerate(lists)]


def _whole(part: Any, wanted: str) -> Ints:
    """Return one client's list as an array; numpy alone would cut 1.5 to 1 and read true as 1."""
    if not isinstance(part, list):
        raise FedgroupError(f"{wanted} is {part!r}")
    for position in part:
        if type(position) is not int or not -(2**63) <= position < 2**63:
            raise FedgroupError(f"{wanted} has {position!r}")
    return np.array(part, np.int64)


def _npz(path: Path) -> list[Ints]:
    wanted = (
        f"{path} must be what numpy.savez(file, *parts) writes: "
        f"arrays arr_0, arr_1, ..., one per client"
    )
    try:
        with path.open("rb") as file:  # np.load leaves the file open where the archive is damaged
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise FedgroupError(f"{wanted}; found a single array")
            with archive:
                arrays = {name.removeprefix("arr_"): archive[name] for name in archive.files}
    except FedgroupError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FedgroupError(f"{wanted} ({error})") from error
    clients = [str(client) for client in range(len(arrays))]
    if not clients or set(arrays) != set(clients):
        raise FedgroupError(f"{wanted}; found {', '.join(sorted(arrays)[:8]) or 'none'}")
    return [arrays[client] for client in clients]
