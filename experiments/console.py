"""The terminal that every command prints to."""

from rich.console import Console


def make_console() -> Console:
    """Return the terminal; a file or a pipe gets wide lines in place of wrapped ones."""
    console = Console()
    return console if console.is_terminal else Console(width=200)
