"""Names that people give: of data sets, classes, groups, tiers, rows and tables.

Any text is a name but what cannot be shown as it stands: control characters (a terminal obeys
them), characters that turn the direction of all text after them, so that 12.3 reads as 3.21, and
halves of characters, which no file in UTF-8 can hold.
"""

import re
from collections.abc import Iterable, Sequence

from fedgroup.errors import FedgroupError

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and newline, embeddings and overrides of direction, surrogates."""
RESERVED_TIERS = ("poisons", "HRG same class")
"""What reports call samples that are in no tier of a data set."""


def check_text(text: str, what: str) -> str:
    """Return a text that can be shown; refuse one with a hidden character, by its code."""
    found = HIDDEN.search(text)
    if found is not None:
        shown = HIDDEN.sub("\ufffd", text)
        raise FedgroupError(
            f"{what} '{shown}' holds the character U+{ord(found[0]):04X} at place "
            f"{found.start() + 1}, which is not shown but changes how the rest is: leave it out"
        )
    return text


def check_names(names: Iterable[str], what: str) -> None:
    """Refuse names that cannot be shown, are empty or occur twice.

    Numbers are kept by name: of two groups with one name a report would show one.
    """
    seen = set()
    for name in names:
        check_text(name, what)
        if not name.strip():
            raise FedgroupError(f"{what} '{name}' is empty: give it a name")
        if name in seen:
            raise FedgroupError(f"{what} '{name}' occurs twice: give each a name of its own")
        seen.add(name)


def check_names_of(
    name: str, classes: Sequence[str], groups: Sequence[str], tiers: Sequence[str]
) -> None:
    """Refuse what a data set calls itself and its parts where a report could not tell them apart.

    Args:
        name: Name of the data set.
        classes: Name of each class.
        groups: Name of each group A*y + a, a multiple of the classes.
        tiers: Name of each tier.

    Raises:
        FedgroupError: A name cannot be shown, occurs twice or is reserved, or the groups do not
            divide among the classes.
    """
    check_text(name, "the name of a data set")
    check_names(classes, f"{name}: class")
    check_names(groups, f"{name}: group")
    check_names((*RESERVED_TIERS, *tiers), f"{name}: tier")
    if not classes or len(groups) % len(classes):
        raise FedgroupError(
            f"{name}: {len(groups)} groups of {len(classes)} classes: a group is A*y + a, so every "
            f"class has the same A attribute values; name them all"
        )
