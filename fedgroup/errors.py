"""The one exception users meet: its message says what, where, value, limit and remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class FedgroupError(ValueError):
    """Bad input or an impossible request; the command line prints it as one line, no traceback."""


def unknown(kind: str, name: object, valid: Iterable[str]) -> FedgroupError:
    """Return the error for an unknown name: the nearest valid one as a hint, then all of them.

    Args:
        kind: What the name should be of, as the message says it.
        name: The unknown name.
        valid: All names there are.

    Returns:
        The error, to be raised.
    """
    choices = sorted(valid)
    near = get_close_matches(str(name), choices, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return FedgroupError(f"no {kind} called '{name}'{hint} (valid: {', '.join(choices) or 'none'})")
