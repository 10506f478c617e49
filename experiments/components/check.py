"""The contract checks of every family behind one name: an import path, or a short name."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import strategies
from experiments.components.families import Family, family
from experiments.launch.progress import make_console
from fedgroup import attacks, data, methods
from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.method import check_method
from fedgroup.checks.partition import check_partition
from fedgroup.checks.runner import Answer
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.checks.update_attack import check_update_attack
from fedgroup.errors import FedgroupError, unknown
from fedgroup.partitions import partition
from fedgroup.spec import Names, build, merge, overrides, parse, resolve
from strategies.checks import check_aggregator

SUITES: dict[Family, tuple[Names, Callable[[Any], Iterator[Answer]]]] = {
    "rule": (strategies.NAMES, check_aggregator),
    "sample attack": (attacks.NAMES, check_sample_attack),
    "update attack": (attacks.BYZANTINE_NAMES, check_update_attack),
    "method": (methods.NAMES, check_method),
    "data set": (data.NAMES, check_dataset),
    "partition": (partition.NAMES, check_partition),
}
"""Short names and checks of each family."""


def check_named(text: str, assignments: list[str]) -> int:
    """Print one line per check of a component; returns 1 where one failed."""
    chosen, kind = spell(text)
    failed = show_answers(made(merge(chosen, overrides(assignments)), kind), kind)
    make_console().print(
        f"{len(failed)} checks failed" if failed else "all checks passed", highlight=False
    )
    return 1 if failed else 0


def spell(text: str) -> tuple[dict[str, Any], Family]:
    """Settings with `use` of a component named on the command line, and its family.

    `text` is a short name, an import path, or a YAML mapping with `use`. A Flower strategy becomes the rule
    `flower` that hosts it, and its settings become the strategy's options.
    """
    chosen = parse(text, f"'{text}'")
    chosen = {"use": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(chosen, dict) or not isinstance(chosen.get("use"), str):
        raise FedgroupError(f"'{text}' must be a name, an import path or a mapping with `use`")
    name = chosen["use"]
    if ":" not in name:
        known = [kind for kind, (names, _) in SUITES.items() if name in names]
        if not known:
            raise unknown("component", name, [n for names, _ in SUITES.values() for n in names])
        return chosen, known[0]
    kind = family(name)
    if kind == "Flower strategy":
        options = [[key, value] for key, value in chosen.items() if key != "use"]
        return {
            "use": "flower",
            "strategy": name,
            **({"options": options} if options else {}),
        }, "rule"
    if kind not in SUITES:
        raise FedgroupError(
            f"'{name}' is a {kind}, and there is no check for one: choose a {', '.join(SUITES)}"
        )
    return chosen, kind


def made(chosen: dict[str, Any], kind: Family) -> Any:
    """The component itself, its settings validated."""
    settings = {key: value for key, value in chosen.items() if key != "use"}
    return build(resolve(SUITES[kind][0], chosen["use"]), settings, chosen["use"])


def show_answers(component: Any, kind: Family, all_of_them: bool = True) -> list[str]:
    """Run the checks of a family and print each, or those that failed; returns the names of the latter."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    console = make_console()
    failed = []
    for check, question, seen in SUITES[kind][1](component):
        if seen is not None:
            failed.append(check)
        if seen is not None or all_of_them:
            mark = "[green]✓[/green]" if seen is None else "[red]✗[/red]"
            console.print(f"{mark} {check}: {question}", highlight=False)
        if seen is not None:
            console.print(f"    {seen}", highlight=False, markup=False, soft_wrap=True)
    return failed
