"""The tables that ship with the project, and where a table's file lies."""

import re
from importlib import resources
from pathlib import Path

from fedgroup.errors import FedgroupError, unknown
from fedgroup.settings.overrides import read_yaml


def table_names() -> list[str]:
    """Return the names of the shipped tables, sorted."""
    folder = resources.files("experiments") / "tables"
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def paper_tables() -> list[str]:
    """Return the names of the paper's tables and figures, in the paper's order."""
    matches = [match for n in table_names() if (match := re.fullmatch(r"(figure|table)(\d+)", n))]
    ordered = sorted(matches, key=lambda match: (match[1] != "table", int(match[2])))
    return [match[0] for match in ordered]


def table_file(name: str) -> Path:
    """Return the file of a shipped table or of a path to a .yaml file; refuse what is neither."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if not path.is_file():
            raise FedgroupError(f"no table file at {path}")
        return path
    if name not in table_names():
        raise unknown("table", name, [*table_names(), "my_table.yaml"])
    return Path(str(resources.files("experiments") / "tables" / f"{name}.yaml"))


def table_title(name: str) -> str:
    """Return the title of a table without resolving its rows."""
    return str(read_yaml(table_file(name)).get("title", ""))
