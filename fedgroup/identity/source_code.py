"""The source of components that do not ship with fedgroup: which files it is in, and their digests.

A component is what its module says, and what the modules say that it imports and that are the
user's own: those of its package and, where it lies in a folder of the user's, those beside it.
Imports are read from the source (at the top, inside functions, relative ones, and
`import_module("name")`); nothing is imported for it. What is installed (site-packages, the standard
library) and what ships with fedgroup is left out, unless the component itself is installed: then
its own package is read.
"""

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

import fedgroup
from fedgroup.errors import FedgroupError
from fedgroup.spec import OURS, imported

Digests = dict[str, str]
"""Digest by file, relative to the folder that holds the component's top package or module."""
HOME = Path(fedgroup.__file__).resolve().parent.parent
"""Where our packages lie; what changes in them is said by results_version."""
LIBRARIES = ("flwr", "flwr_datasets", "byzfl", "ray", "torch", "torchvision", "numpy", "sklearn")
"""Packages that fedgroup rests on: their versions are in env.json, as torch's is."""
INSTALLED = ("site-packages", "dist-packages")
PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""What an import path looks like."""

_IMPORTED: dict[str, tuple[Any, bytes]] = {}
"""Source of each module that this process runs, as it was when it was first asked for, and the
module's spec, which another import or a reload replaces."""


def is_ours(module: str) -> bool:
    """Return whether a module ships with fedgroup; a folder of the user's may have our names."""
    if module.partition(".")[0] not in OURS:
        return False
    path = _file_of(module)
    return path is None or path.is_relative_to(HOME)


def source_of(target: Any) -> Digests:
    """Return the files that a class or function consists of, with their digests; {} for ours.

    They are those that this process runs: a file that is edited meanwhile counts from the next
    process (or reload) on.
    """
    module = target.__module__
    if is_ours(module) or _is_library(module):
        return {}
    path = _file_of(module)
    return source_of_module(module, path) if path else _typed_in(target)


def source_of_named(text: str) -> Digests:
    """Return the source behind a text that is an import path of the user's code; {} for others."""
    module = text.partition(":")[0]
    if not PATH.fullmatch(text) or is_ours(module) or _is_library(module):
        return {}
    path = _file_of(module)
    if path is None:
        return {}
    try:
        target = imported(text)
    except FedgroupError:  # whoever needs it says so
        return source_of_module(module, path)
    own = source_of(target) if isinstance(target, type | FunctionType) else {}
    return source_of_module(module, path) | own


def texts(value: Any) -> list[str]:
    """Return every text in the settings of a component, without those of components inside it."""
    if is_dataclass(value):
        own = [getattr(value, field.name) for field in fields(value)]
        return [text for item in own if not is_dataclass(item) for text in texts(item)]
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for pair in value.items() for text in texts(pair)]
    if isinstance(value, list | tuple | set | frozenset):
        return [text for item in value for text in texts(item)]
    return []


def source_of_module(module: str, path: Path) -> Digests:
    """Return the digests of a module's file and of the user's files that it imports."""
    root = _root(module, path)
    top = None if _is_users(root) else module.partition(".")[0]
    found: Digests = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if top is not None and name.partition(".")[0] != top:
            continue
        for file in _files(root, name):
            key = file.relative_to(root).as_posix()
            if key in found:
                continue
            text = _as_imported(_name_of(key), file)
            found[key] = _digest(text)
            if file.suffix == ".py":
                waiting += _imports(text, _name_of(key), file.name == "__init__.py")
    if not found:  # a script, or a compiled module under a name of its own
        found[path.name] = _digest(path.read_bytes())
    return found


def _as_imported(module: str, file: Path) -> bytes:
    """Return the source of a file, for a module that this process runs as it imported it."""
    loaded = sys.modules.get(module)
    if loaded is None or getattr(loaded, "__file__", None) is None:
        return file.read_bytes()
    spec = getattr(loaded, "__spec__", None)
    known = _IMPORTED.get(module)
    if known is None or known[0] is not spec or Path(str(loaded.__file__)).resolve() != file:
        known = _IMPORTED[module] = (spec, file.read_bytes())
    return known[1]


def differing(one: Digests, two: Digests) -> list[str]:
    """Return the names of files that differ between two sources, or are in one alone."""
    return sorted(name for name in {*one, *two} if one.get(name) != two.get(name))


def _typed_in(target: Any) -> Digests:
    """Return the source of a class that was typed into a notebook or an interpreter."""
    members = vars(target).values() if isinstance(target, type) else [target]
    functions = [getattr(m, "__func__", getattr(m, "fget", m)) for m in members]
    found = [text for f in functions if isinstance(f, FunctionType) and (text := _text_of(f))]
    name = f"{target.__module__}:{target.__name__}"
    if not found:
        raise FedgroupError(
            f"no source of {name} can be found, so that a run could not say what it was made with: "
            f"put it into a .py file"
        )
    return {name: _digest("\n".join(found).encode())}


def _text_of(function: FunctionType) -> str:
    """Return the source of a function; empty where it is generated, as a dataclass's __init__."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


# --- where modules lie ----------------------------------------------------------------------------


def _file_of(module: str) -> Path | None:
    """Return the file of a module, imported or not; None where it has none."""
    loaded = sys.modules.get(module)
    name = getattr(loaded, "__file__", None)
    if name is None and loaded is None:
        try:
            spec = find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        name = spec.origin if spec is not None and spec.has_location else None
    return Path(name).resolve() if name is not None else None


def _root(module: str, path: Path) -> Path:
    """Return the folder that holds a module's top package, or the module itself."""
    package = path.name == "__init__.py"
    depth = module.count(".") + package
    return path.parents[depth] if depth < len(path.parents) else path.parent


@cache
def _is_users(root: Path) -> bool:
    """Return whether a folder of modules is the user's: not where packages are installed."""
    return not any(part in INSTALLED for part in root.parts)


def _is_library(module: str) -> bool:
    top = module.partition(".")[0]
    return top in LIBRARIES or top in sys.stdlib_module_names - {"__main__"}


def _files(root: Path, module: str) -> Iterator[Path]:
    """Yield the files of a module below `root`: its packages' __init__.py, and its own."""
    parts = module.split(".")
    if root == HOME and parts[0] in OURS:
        return
    for depth in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        names = [place / "__init__.py"]
        if depth == len(parts):
            endings = (".py", *EXTENSION_SUFFIXES)
            names += [place.with_name(place.name + ending) for ending in endings]
        yield from (name for name in names if name.is_file())


def _name_of(key: str) -> str:
    return key.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@lru_cache(maxsize=4096)
def _digest(text: bytes) -> str:
    """Return 12 hex digits of a source; line ends do not count, since git may change them."""
    return hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()[:12]


@lru_cache(maxsize=4096)
def _imports(text: bytes, module: str, package: bool) -> tuple[str, ...]:
    """Return the modules that a source imports, and the names in them, which may be modules."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(node, module, package)
            names += [start, *(f"{start}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and _is_import_call(node):
            names += [str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)]
    return tuple(name for name in names if name.replace(".", "_").isidentifier())


def _absolute(node: ast.ImportFrom, module: str, package: bool) -> str:
    """Return the full name of the module that `from X import ...` names."""
    if not node.level:
        return node.module or ""
    up = node.level - package
    parts = module.split(".")[: len(module.split(".")) - up]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _is_import_call(node: ast.Call) -> bool:
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in ("import_module", "__import__")
