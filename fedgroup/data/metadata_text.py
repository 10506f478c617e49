"""Metadata files as columns of text, with the line of every row: encodings, separators, quotes."""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from fedgroup.errors import FedgroupError

_LOG = logging.getLogger(__name__)
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
"""Encodings by the byte order mark that a file begins with; UTF-8 where it has none."""


class Columns(dict[str, list[str]]):
    """Values of each column by name, stripped, as they stand in the file."""

    def __init__(self, values: Mapping[str, list[str]], lines: Sequence[int]) -> None:
        super().__init__(values)
        self.lines = list(lines)
        """Line of the file in which each row begins."""


def read_text(path: Path) -> str:
    """Return the text of a file: UTF-8, or UTF-16 with its mark; lines end with a line feed.

    Raises FedgroupError where the file cannot be read, or has another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FedgroupError(f"cannot read {path} ({error.strerror})") from error
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FedgroupError(
            f"cannot read {path}, line {line}: byte {data[error.start]:#04x} is not {encoding} "
            f"text: save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise FedgroupError(
            f"cannot read {path}, line {line}: it holds zero bytes: save the file as UTF-8 text"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def first_line(path: Path) -> str:
    """Return the first line of a file of any encoding, to tell by it what the file is."""
    with path.open("rb") as file:
        data = file.read(1 << 16)
    return data.decode(_encoding(data), errors="replace").partition("\n")[0]


def _encoding(data: bytes) -> str:
    return next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")


def read_csv(path: Path) -> Columns:
    """Read a file with a header line, separated by commas, tabs, semicolons or blanks.

    Empty lines are left out. Raises FedgroupError, which names the line, where a row is incomplete,
    a quote is not closed, or two columns have one name.
    """
    text = read_text(path)
    (start, head), *body = _rows(text, path) or [(0, [])]
    if not head:
        raise FedgroupError(f"{path} is empty")
    head = [name.strip() for name in head]
    doubled = next((name for name in head if name and head.count(name) > 1), None)
    if doubled is not None:
        raise FedgroupError(
            f"{path}, line {start}: two columns are called '{doubled}': rename or remove one"
        )
    for line, row in body:
        if len(row) != len(head):
            raise FedgroupError(f"{path}, line {line}: {len(row)} values for {len(head)} columns")
    values = {name: [row[i].strip() for _, row in body] for i, name in enumerate(head)}
    return Columns(values, [line for line, _ in body])


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the line in which it begins."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    separator = next((mark for mark in ",\t;" if mark in first), None)
    if separator is None:
        lines = enumerate(text.split("\n"), 1)
        return [(number, line.split()) for number, line in lines if line.strip()]
    rows, reader, line = [], csv.reader(io.StringIO(text), delimiter=separator, strict=True), 1
    try:
        for row in reader:
            if any(value.strip() for value in row):
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise FedgroupError(
            f"{path}, line {line}: {error} (is a quote not closed in this row?)"
        ) from error
    return rows


@cache
def warn_once(text: str) -> None:
    """Print one line of warning, once in a process."""
    _LOG.warning("fedgroup: %s", text)
