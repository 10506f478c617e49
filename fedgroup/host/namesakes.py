"""What in a folder has the name of a module that is found before it, and so cannot be imported."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path


def namesakes(folder: Path) -> list[str]:
    """Say which modules in a folder are hidden, and by what.

    Args:
        folder: The folder, usually the current one.

    Returns:
        One clause for each, e.g. "yaml.py is hidden by /usr/lib/python3/yaml: rename yours".
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [clause for entry in entries if (clause := _clause(entry))]


def hidden(module: str, folder: Path) -> str:
    """Return the clause on a module of `folder`, as in `namesakes`; nothing where it is not hidden.

    Args:
        module: Its import path.
        folder: The folder, usually the current one.
    """
    top = module.partition(".")[0]
    return _clause(folder / f"{top}.py") or _clause(folder / top)


def _clause(entry: Path) -> str:
    name = entry.stem if entry.suffix == ".py" else entry.name
    if not name.isidentifier() or not _holds_code(entry):
        return ""
    place = _found_first(name, entry.parent)
    if place is None or place.parent.resolve() == entry.parent.resolve():
        return ""
    return f"{entry.name} is hidden by {place}: rename yours to import it"


def _holds_code(entry: Path) -> bool:
    try:
        if entry.suffix == ".py":
            return entry.is_file()
        return entry.is_dir() and any(child.suffix == ".py" for child in entry.iterdir())
    except OSError:
        return False


def _found_first(name: str, folder: Path) -> Path | None:
    """Return where the module of a name comes from when `folder` is left out."""
    loaded = sys.modules.get(name)
    origin = getattr(loaded, "__file__", None)
    if loaded is None:
        elsewhere = [path for path in sys.path if Path(path).resolve() != folder.resolve()]
        spec = PathFinder.find_spec(name, elsewhere)
        origin = spec.origin if spec is not None else None
    if origin is None:
        return Path(f"Python's own/{name}") if name in sys.builtin_module_names else None
    path = Path(origin)
    return path.parent if path.name == "__init__.py" else path
