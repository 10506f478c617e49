"""The one exception users meet: a message that says what, where, which value, the limit and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class FedgroupError(ValueError):
    """Bad input or an impossible request; the command line prints it as one line, without a traceback."""


def unknown(kind: str, name: object, valid: Iterable[str]) -> FedgroupError:
    """Build the error for an unknown name: the nearest valid one as a hint, then all of them."""
    choices = sorted(valid)
    near = get_close_matches(str(name), choices, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return FedgroupError(f"no {kind} called '{name}'{hint} (valid: {', '.join(choices) or 'none'})")
