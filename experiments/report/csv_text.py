"""Tables as CSV: cells as they are, quoted where a spreadsheet could read more into them."""

import csv
import io
import re

import pandas as pd

FORMULA = re.compile(r"[=+\-@\t]")
"""What a cell begins with that a spreadsheet computes."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf")
QUOTED = re.compile(r'[",\r\n]')


def as_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV with a header; equal frames give equal text.

    Text is written as it is: a name such as '=A1' is no formula but a name, so it is quoted and
    not changed, and every reader of CSV gets back what was there.
    """
    plain = io.StringIO(frame.to_csv(index=False), newline="")
    rows = (",".join(_cell(text) for text in row) for row in csv.reader(plain))
    return "".join(f"{row}\n" for row in rows)


def _cell(text: str) -> str:
    formula = FORMULA.match(text) is not None and NUMBER.fullmatch(text) is None
    if not formula and QUOTED.search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'
