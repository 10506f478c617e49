"""`--set` of a table: every assignment changes a run, or is refused with the reason."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from experiments.experiment import PARTS, Experiment
from fedgroup.attacks.none import NoAttack
from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import leaves, merge

Unused = Callable[[Experiment], bool]
UNUSED: dict[str, tuple[Unused, str]] = {
    "federation": (lambda run: run.method is not None, "trains centralized methods"),
    "task.partition": (lambda run: run.method is not None, "trains centralized methods"),
    "task.attackers": (lambda run: run.method is not None, "trains centralized methods"),
    "task.attack_seed": (lambda run: type(run.task.attack) is NoAttack, "has no attack on samples"),
    "task.inject": (lambda run: type(run.task.attack) is NoAttack, "has no attack on samples"),
}
"""Settings that some runs do not use: which, and what such a table is."""


def check_paths(over: Mapping[str, Any], options: Mapping[str, Any], added: bool) -> None:
    """Refuse assignments that another option overwrites, and keys that are no part of a run.

    Args:
        over: The assignments, nested.
        options: Settings that other options chose (--data, --root, what is audited), nested.
        added: Whether --rule or --method adds rows.

    Raises:
        FedgroupError: The first assignment that would be lost.
    """
    chosen = {path.removesuffix(".use"): value for path, value in leaves(options)}
    for path, value in leaves(over):
        if path.partition(".")[0] not in PARTS:
            raise FedgroupError(f"no setting called '{path}'{did_you_mean(path)}")
        if path in PARTS and not isinstance(value, str):
            raise FedgroupError(f"'{path}={value}' empties a whole part: set single settings of it")
        if path == "task.seed":
            raise FedgroupError("task.seed is set by --seeds: write --seeds 0,1,2")
        other = chosen.get(path.removesuffix(".use"), value)
        if other != value:
            raise FedgroupError(
                f"--set {path}={value} and the option that chose {path}={other} contradict each "
                f"other: keep one"
            )
        if added and path.startswith(("federation.aggregator", "method")):
            raise FedgroupError(
                f"--set {path} would not reach the row that is added: write its settings there, "
                f"as '{{use: NAME, ...}}'"
            )


def for_row(over: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the assignments for a row: settings of a method do not make a federated row one."""
    method = over.get("method")
    chooses = isinstance(method, str) or (isinstance(method, Mapping) and "use" in method)
    if method is None or chooses or settings.get("method") is not None:
        return over
    return {key: value for key, value in over.items() if key != "method"}


def refuse_lost(over: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse an assignment that has no effect on any run of a table.

    Args:
        over: The assignments, nested.
        rows: Settings of each row without them.
        where: Name of the table's file, for messages.

    Raises:
        FedgroupError: There is such an assignment; the message says why.
    """
    runs = [Experiment.of(merge(settings, for_row(over, settings))) for settings in rows]
    for path, value in leaves(over):
        unused, reason = next(
            (entry for name, entry in UNUSED.items() if f"{path}.".startswith(f"{name}.")),
            (lambda run: False, ""),
        )
        if path.startswith("method") and all(run.method is None for run in runs):
            unused, reason = (lambda run: True), "is federated"
        if all(unused(run) for run in runs):
            raise FedgroupError(f"--set {path}={value} has no effect: {where} {reason}")


def did_you_mean(name: str, exact: bool = False) -> str:
    """Return '; did you mean federation.rounds?' for a setting named without its place.

    Args:
        name: The last part of its path, or more of it.
        exact: Whether a near miss counts as nothing, for which '' is returned.
    """
    paths = [path for path, _ in leaves(Experiment().to_dict())]
    found = [path for path in paths if f".{path}".endswith(f".{name}")]
    if not found and not exact:
        last = {path.rpartition(".")[2]: path for path in reversed(paths)}
        found = [last[near] for near in get_close_matches(name.rpartition(".")[2], last, n=1)]
    if found:
        return f"; did you mean {' or '.join(found)}?"
    return "" if exact else f" (parts: {', '.join(PARTS)})"
