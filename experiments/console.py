"""The terminal that every command prints to."""

from rich.console import Console
from rich.text import Text

from fedgroup.guards.names import HIDDEN


def plain(text: str, style: str = "") -> Text:
    """Return text that a terminal shows as it stands: no markup, no emoji codes, no commands."""
    return Text(HIDDEN.sub("\ufffd", text), style)


def make_console() -> Console:
    """Return the terminal; a file or a pipe gets wide lines in place of wrapped ones."""
    console = Console(emoji=False)
    return console if console.is_terminal else Console(width=200, emoji=False)
