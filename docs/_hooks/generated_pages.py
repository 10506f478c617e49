"""Pages that mkdocs makes while it builds the site, so that they cannot differ from the code.

The command line from the typer app, the settings of a run from the dataclasses that hold them, the
Python API from docstrings (through mkdocstrings), and the tutorial from its notebook.
"""

import ast
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fedgroup", "strategies", "clients", "experiments")


def on_config(config: Any) -> Any:
    """Fill the entry `Python API` of the navigation.

    Args:
        config: The site's configuration; its navigation is changed in place.
    """
    reference = next(part["Reference"] for part in config.nav if "Reference" in part)
    entry = next(part for part in reference if isinstance(part, dict) and "Python API" in part)
    entry["Python API"] = [
        {top: [{name: f"reference/api/{name}.md"} for name in packages(top)]} for top in PACKAGES
    ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to the files of the site.

    Args:
        files: The files found in docs/.
        config: The site's configuration.
    """
    from mkdocs.structure.files import File

    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Keep a number and its spread on one line.

    Args:
        html: The content of a page.
    """
    return html.replace(" ± ", "&nbsp;±&nbsp;")


def generated() -> dict[str, str]:
    """Return path below docs/ and Markdown of every generated page."""
    pages = {
        "tutorial.md": tutorial_page(),
        "reference/cli.md": cli_page(),
        "reference/settings.md": settings_page(),
    }
    for top in PACKAGES:
        for name in packages(top):
            pages[f"reference/api/{name}.md"] = package_page(name)
    return pages


# --- the tutorial -------------------------------------------------------------------------------


def tutorial_page() -> str:
    """Return the notebook as a page: its text as it is, its code as blocks."""
    cells = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    blocks = []
    for cell in cells:
        text = "".join(cell["source"])
        blocks.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    return "\n\n".join(blocks) + "\n"


# --- the command line ---------------------------------------------------------------------------


def cli_page() -> str:
    """Return a page with every command, argument and option of `fedgroup`."""
    from typer.main import get_command

    from experiments.cli.app import app

    parts = [
        "# Command line",
        "Made of the command line itself; `fedgroup COMMAND --help` prints the same.",
    ]
    for path, command in commands(get_command(app), "fedgroup"):
        parts += command_section(path, command)
    return "\n\n".join(parts) + "\n"


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield path and command of every command that runs something, groups walked depth first."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        if not child.hidden:
            yield from commands(child, f"{path} {name}")


def command_section(path: str, command: Any) -> list[str]:
    """Return the blocks of one command: heading, usage, help, and a table of parameters."""
    context = command.context_class(command, info_name=path)
    notes = argument_notes(command)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    blocks = [f"## {path}", f"    {usage}", inspect.cleandoc(command.help or "")]
    rows = [
        parameter_row(parameter, context, notes.get(parameter.name, ""))
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
    ]
    if rows:
        table = ["| parameter | default | meaning |", "|---|---|---|", *rows]
        blocks.append("\n".join(table))
    return blocks


def argument_notes(command: Any) -> dict[str, str]:
    """Return the help of every argument by name, read from its annotation.

    Some versions of click lose the help of arguments that typer gives them.
    """
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    return {
        name: note.help
        for name, hint in hints.items()
        for note in getattr(hint, "__metadata__", ())
        if getattr(note, "help", None)
    }


def parameter_row(parameter: Any, context: Any, note: str) -> str:
    """Return the table row of one argument or option.

    Args:
        parameter: The argument or option.
        context: The context of its command.
        note: Its help, where the parameter itself has none.
    """
    if parameter.param_type_name == "argument":
        name = parameter.make_metavar(context).strip("[]{}")
    else:
        name = ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = parameter.get_default(context, call=False)
    shown = "required" if parameter.required else "" if default is None else f"`{default}`"
    return f"| `{name}` | {shown} | {cell(getattr(parameter, 'help', None) or note)} |"


def cell(text: str) -> str:
    """Return a text as the cell of a table: one line, bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


# --- settings -----------------------------------------------------------------------------------


def settings_page() -> str:
    """Return a page with every setting of a run that belongs to no component."""
    from fedgroup.task import Task
    from strategies.federation import Federation

    intro = (
        "Every key may be set on the command line (`--set task.train.lr=0.05`), in a table's YAML "
        "and in a run config of Flower. `fedgroup show TABLE` prints all of them and their origin. "
        "A setting that names a component has the component's own settings below it: see its page."
    )
    return "\n\n".join(
        [
            "# Settings of a run",
            intro,
            "## task: what is trained on, and how",
            settings_table(Task(), "task."),
            "## federation: the server side of a federated run",
            settings_table(Federation(), "federation."),
            "## method: a centralized run",
            "`method` names a centralized method, in place of `federation`: "
            "see [methods](methods/index.md).",
            "",
        ]
    )


def settings_table(spec: Any, prefix: str) -> str:
    """Return the table of the fields of a dataclass, nested ones by dotted name."""
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *settings(spec, prefix)])


def settings(spec: Any, prefix: str) -> Iterator[str]:
    """Yield one row per setting; a component is one row with its short name."""
    from fedgroup.spec import short_name

    notes = field_docstrings(type(spec))
    for field in dataclasses.fields(spec):
        value, known = getattr(spec, field.name), field.metadata.get("names")
        if known is None and dataclasses.is_dataclass(value):
            yield from settings(value, f"{prefix}{field.name}.")
            continue
        default = short_name(known, type(value)) if known is not None else value
        yield f"| `{prefix}{field.name}` | `{as_yaml(default)}` | {cell(notes[field.name])} |"


def as_yaml(value: Any) -> str:
    """Return a default as it is written in YAML."""
    text: str = yaml.safe_dump(json.loads(json.dumps(value)), default_flow_style=True)
    return text.removesuffix("...\n").strip()


def field_docstrings(cls: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, read from its source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    return {
        ast.unparse(here.target): str(below.value.value)
        for here, below in pairwise(body)
        if isinstance(here, ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


# --- the Python API -----------------------------------------------------------------------------


def packages(top: str) -> list[str]:
    """Return the dotted names of a package and all packages below it."""
    found = sorted(path.parent for path in (ROOT / top).rglob("__init__.py"))
    return [".".join(path.relative_to(ROOT).parts) for path in found]


def package_page(name: str) -> str:
    """Return the page of a package: its docstring, its names and its modules."""
    folder = ROOT.joinpath(*name.split("."))
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    doc = doc.replace("__init__", "\\_\\_init\\_\\_")
    parts = [f"# {name}", doc, *(f"::: {name}.{module}" for module in modules)]
    return "\n\n".join(parts) + "\n"
