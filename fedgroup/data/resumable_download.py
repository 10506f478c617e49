"""Fetch a file over HTTP: resumable, with progress, and checked."""

import gzip
import hashlib
import http.client
import tarfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.errors import FedgroupError
from fedgroup.host.sharing import share
from fedgroup.storage import exclusive

BLOCK = 1 << 18
TIMEOUT = 30.0
"""Seconds without an answer before a source counts as unreachable."""


def fetch(url: str, target: Path, progress: Progress = no_progress, md5: str | None = None) -> Path:
    """Download a file; a partial download (`.part`) is continued, a whole one kept.

    Args:
        url: Where it is.
        target: Where it is put.
        progress: Called with the bytes that are there and the bytes in all (0 where not known).
        md5: Checksum in hex digits, or None for no check.

    Returns:
        `target`.

    Raises:
        FedgroupError: The source does not answer, or the checksum is another one.
    """
    if target.exists():
        return target
    with exclusive(target, "choose another folder with --root, or set FEDGROUP_CACHE"):
        if not target.exists():  # another process has fetched it meanwhile
            _fetch_alone(url, target, progress, md5)
    return target


def _fetch_alone(url: str, target: Path, progress: Progress, md5: str | None) -> None:
    part = target.with_name(target.name + ".part")
    try:
        _transfer(url, part, target.name, progress)
    except urllib.error.HTTPError as error:
        raise FedgroupError(f"{url} answered {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        kept = f"; {part} is kept, run again to continue" if part.exists() else ""
        raise FedgroupError(f"{url} could not be fetched ({reason}){kept}") from error
    if md5 is not None:
        with part.open("rb") as file:
            actual = hashlib.file_digest(file, "md5").hexdigest()
        if actual != md5:
            part.unlink()
            raise FedgroupError(
                f"{url} gave a file with md5 {actual}, expected {md5}: it was removed, try again"
            )
    share(part)
    part.replace(target)


def _transfer(url: str, part: Path, name: str, progress: Progress) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing is left to fetch
            return
        raise
    with answer:
        if answer.status != 206:
            done = 0  # the server sends the whole file again
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else 0
        with part.open("ab" if done else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                progress(f"fetching {name}", done, total)
    if total and done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive safely; a damaged archive is removed, so that it is fetched again."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        archive.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise FedgroupError(
            f"{archive.name} is damaged ({reason}): it was removed, run again"
        ) from error
    except OSError as error:  # a full disk, say: the archive itself may be good
        raise FedgroupError(
            f"cannot unpack {archive.name} into {folder} ({error.strerror})"
        ) from error
