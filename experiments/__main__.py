"""The `fedgroup` command: our own modules first, then those of the current folder.

Nothing else is imported up here: a `json.py` or a folder `fedgroup` where the command is started
must not take the place of what it needs.
"""

import sys
from importlib import import_module

OURS = ("fedgroup", "strategies", "clients", "experiments")


def main() -> None:
    """Run the command line; every expected error is one line on stderr and exit code 2."""
    look_here_last()
    from experiments.cli.program import run_program

    run_program()


def look_here_last() -> None:
    """Import our packages, then let modules of the current folder be found after all others.

    A user's my_rules.py is importable, as with `python -m`; it hides nothing that is installed.
    """
    import os  # is loaded at every start of Python

    here = {"", os.path.abspath(os.curdir)}  # noqa: PTH100 - pathlib may be the user's yet
    found = [path for path in sys.path if path not in here]
    home = __file__.rpartition(os.sep)[0].rpartition(os.sep)[0]
    sys.path[:] = [home, *found]
    for name in OURS:
        import_module(name)
    sys.path[:] = [*found, ""]


if __name__ == "__main__":
    main()
