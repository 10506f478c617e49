"""A column of labels as ids: whole numbers or words, with one warning on what looks like a slip."""

import re
import unicodedata
from decimal import Decimal
from pathlib import Path

import numpy as np

from fedgroup.data.metadata_text import Columns, warn_once
from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,2})?")
MISSING = {"nan", "na", "n/a", "#n/a", "<na>", "null"}
"""What spreadsheets and pandas write where there is no value, in lower case."""
LARGEST = 999
"""Numbers above it are most likely no class."""


def label_ids(columns: Columns, column: str, path: Path) -> tuple[Ints, tuple[str, ...]]:
    """Return a column as ids and the names they stand for.

    Where all values are numbers, equal ones are one label (1, 01 and 1.0) and the ids follow their
    order; else every spelling is a word of its own, and the ids follow the alphabet.

    Args:
        columns: Columns of the file.
        column: Which of them.
        path: The file, for messages.

    Returns:
        (M,) int64, and the name of each id.

    Raises:
        FedgroupError: A value is missing; the message names the line.
    """
    values = columns[column]
    for line, value in zip(columns.lines, values, strict=True):
        if not value or value.lower() in MISSING:
            what = "empty" if not value else f"'{value}', a missing value"
            raise FedgroupError(
                f"{path}, line {line}: {column} is {what}: write a label, or remove the row"
            )
    if all(NUMBER.fullmatch(value) for value in set(values)):
        number = {value: Decimal(value) for value in set(values)}
        _warn_of_numbers(columns, column, number, path)
        name = {value: _plain(exact) for value, exact in number.items()}
        names = sorted(set(name.values()), key=Decimal)
    else:
        _warn_of_spellings(columns, column, path)
        name = {value: value for value in values}
        names = sorted(name)
    place = {label: i for i, label in enumerate(names)}
    return np.array([place[name[value]] for value in values], np.int64), tuple(names)


def _plain(number: Decimal) -> str:
    """Return a number as text, a whole one without a point: 1.0 is 1, 1e3 is 1000."""
    whole = number == number.to_integral_value()
    return str(int(number)) if whole else f"{number.normalize():f}"


def _warn_of_numbers(columns: Columns, column: str, number: dict[str, Decimal], path: Path) -> None:
    """Warn of a label that is fractional, negative or huge, naming its first row."""
    odd = {
        value
        for value, exact in number.items()
        if not 0 <= exact <= LARGEST or exact != exact.to_integral_value()
    }
    row = next((i for i, value in enumerate(columns[column]) if value in odd), None)
    if row is not None:
        warn_once(
            f"{path}, line {columns.lines[row]}: {column} is {columns[column][row]}, read as a "
            f"label of its own; {column} has {len({_plain(n) for n in number.values()})} labels"
        )


def _warn_of_spellings(columns: Columns, column: str, path: Path) -> None:
    """Warn of two words that differ in case, blanks or the way a number is written."""
    seen: dict[str, tuple[str, int]] = {}
    for line, value in zip(columns.lines, columns[column], strict=True):
        word = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
        key = _plain(Decimal(word)) if NUMBER.fullmatch(word) else word
        other, first = seen.setdefault(key, (value, line))
        if other != value:
            warn_once(
                f"{path}, line {line}: {column} is '{value}', and '{other}' in line {first}: read "
                f"as two labels"
            )
            return
