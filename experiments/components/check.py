"""The contract checks of every family behind one name: an import path, or a short name."""

import logging
from typing import Any

from experiments.components.families import CHECKED, Family, family_named, family_of
from experiments.console import make_console
from fedgroup.errors import FedgroupError, unknown
from fedgroup.settings.overrides import merge, parse_yaml, settings_of
from fedgroup.spec import build, resolve


def check_named(text: str, assignments: list[str]) -> int:
    """Print one line per check of a component; return 1 where one failed, else 0."""
    chosen, family = parse_component(text)
    component = build_component(merge(chosen, settings_of(chosen["use"], assignments)), family)
    failed = print_answers(component, family)
    make_console().print(
        f"{len(failed)} checks failed" if failed else "all checks passed", highlight=False
    )
    return 1 if failed else 0


def parse_component(text: str) -> tuple[dict[str, Any], Family]:
    """Return the settings with `use` of a component named on the command line, and its family.

    `text` is a short name, an import path, or a YAML mapping with `use`. A Flower strategy becomes
    the rule `flower` that hosts it, and its settings become the strategy's options. Raises
    FedgroupError where it is none of these, or of a family without checks.
    """
    chosen = parse_yaml(text, f"'{text}'")
    chosen = {"use": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(chosen, dict) or not isinstance(chosen.get("use"), str):
        raise FedgroupError(f"'{text}' must be a name, an import path or a mapping with `use`")
    name = chosen["use"]
    if ":" not in name:
        for family in CHECKED:
            if name in family.names:
                return chosen, family
        raise unknown("component", name, [n for family in CHECKED for n in family.names])
    family = family_of(name)
    if family.kind == "Flower strategy":
        return _hosted(chosen), family_named("rule")
    if family.check is None:
        kinds = ", ".join(checked.kind for checked in CHECKED)
        raise FedgroupError(
            f"'{name}' is a {family.kind}, and there is no check for one: choose a {kinds}"
        )
    return chosen, family


def _hosted(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the rule that hosts a Flower strategy."""
    options = [[key, value] for key, value in chosen.items() if key != "use"]
    rule = {"use": "flower", "strategy": chosen["use"]}
    return {**rule, "options": options} if options else rule


def build_component(chosen: dict[str, Any], family: Family) -> Any:
    """Return the component of a mapping with `use`, its settings validated."""
    settings = {key: value for key, value in chosen.items() if key != "use"}
    return build(resolve(family.names, chosen["use"]), settings, chosen["use"])


def print_answers(component: Any, family: Family, all_of_them: bool = True) -> list[str]:
    """Run the checks of a family and print what each saw.

    Args:
        component: The component to check.
        family: Its family, one with checks.
        all_of_them: False prints those that failed alone.

    Returns:
        Names of the checks that failed.
    """
    assert family.check is not None
    logging.getLogger("flwr").setLevel(logging.ERROR)
    console = make_console()
    failed = []
    for check, question, seen in family.check(component):
        if seen is not None:
            failed.append(check)
        if seen is not None or all_of_them:
            mark = "[green]✓[/green]" if seen is None else "[red]✗[/red]"
            console.print(f"{mark} {check}: {question}", highlight=False)
        if seen is not None:
            console.print(f"    {seen}", highlight=False, markup=False, soft_wrap=True)
    return failed
