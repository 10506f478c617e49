"""What a reader must know beside the numbers: facts about the runs, with the rows they hold for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.report.footnotes import footnotes
from experiments.report.left_out import left_out, undigested
from experiments.report.metric_format import number
from experiments.report.provenance import versions_note
from experiments.results.finished_runs import result
from experiments.results.measurements import RAW_ACC, Line
from experiments.results.other_settings import other_settings
from experiments.tables.labels import which
from experiments.tables.table import Row, Table
from fedgroup.attacks.attack import is_paired
from fedgroup.attacks.none import NoAttack
from fedgroup.errors import FedgroupError
from fedgroup.spec import to_dict
from strategies.rules.sparsefed import SparseFed
from strategies.server.preflight import remark


def finished_runs(table: Table, results: Path) -> list[tuple[Experiment, dict[str, Any]]]:
    """Return the finished experiments of a table and their results; refuse a table without any."""
    done = [(e, stored) for e in table.experiments() if (stored := result(e, results))]
    if not done and (problems := left_out(table, results)):
        raise FedgroupError(
            f"no finished run of table {table.name} can be used. {problems[0].removesuffix('.')}"
        )
    if not done:
        start = f"fedgroup run {table.name}"
        others = other_settings(table, results)
        raise FedgroupError(
            f"no run of table {table.name} is finished"
            + (f" with these settings; {others}" if others else f": start with `{start}`")
        )
    return done


def table_notes(table: Table, lines: Sequence[Line], results: Path, select: str) -> list[str]:
    """Return the notes under the printed table, one sentence or a few each.

    Args:
        table: The table.
        lines: Its rows with their numbers.
        results: Folder of the runs.
        select: Selection rule of the numbers.

    Returns:
        The notes in the order in which they are printed.

    Raises:
        FedgroupError: No run of the table is finished.
    """
    done = finished_runs(table, results)
    measured = [row for row in table.rows if any(result(run, results) for run in row.experiments)]
    accuracies = _by_rows(measured, lambda row: _accuracy(row, table.columns, results), "ACC:")
    return [
        spread_note(table, lines),
        " ".join([f"Selection: {select}.", *accuracies]),
        *footnotes(table, lines),
        *_by_rows(measured, lambda row: _data(row, table.scale, results), "Data"),
        *_by_rows(table.rows, lambda row: _training(row.experiments[0]), "Training:"),
        _worst_groups([stored for _, stored in done]),
        *_by_rows(table.rows, lambda row: _plainer_rule(row.experiments[0]), "Rule:"),
        *_by_rows(table.rows, lambda row: _attack(row, table.against), "Attack"),
        *_presets(table),
        *_paper_note(table),
        *undigested(table, results),
        versions_note([experiment for experiment, _ in done], results),
    ]


def spread_note(table: Table, lines: Sequence[Line]) -> str:
    """Say how many seeds stand behind a number, and what follows the ± sign."""
    counted = sorted({sum(run is not None for run in line.runs) for line in lines})
    note = (
        f"n = {'/'.join(str(count) for count in counted)} seed(s) of {list(table.seeds)}; "
        f"± is the sample standard deviation (ddof=1)"
    )
    if not any(line.drops for line in lines):
        return f"{note}."
    return (
        f"{note}, for drops that of the paired differences. Drops are in percentage points, "
        f"positive = worse than {table.against}."
    )


def _by_rows(all_rows: Sequence[Row], describe: Callable[[Row], str], heading: str) -> list[str]:
    """Return distinct descriptions of rows, each with the rows that it is true for.

    Args:
        all_rows: The rows.
        describe: What is said of a row; '' leaves it out.
        heading: What each note begins with.
    """
    rows: dict[str, list[Row]] = {}
    for row in all_rows:
        rows.setdefault(describe(row), []).append(row)
    notes = []
    for text, members in rows.items():
        where = which(members, all_rows)
        if text:
            notes.append(
                f"{heading.rstrip(':')} ({where}): {text}" if where else f"{heading} {text}"
            )
    return notes


def _accuracy(row: Row, columns: Sequence[str], results: Path) -> str:
    """Say what the column ACC is on the row's data; some run of the row is finished."""
    stored = next(stored for run in row.experiments if (stored := result(run, results)))
    if "acc_paper" in columns and stored["dataset"]["name"] in RAW_ACC:
        return "plain test accuracy, the paper's convention on these data."
    return (
        "weighted by the training proportions of the groups (the paper's convention on "
        "Waterbirds); raw ACC is plain test accuracy."
    )


def _data(row: Row, scale: str, results: Path) -> str:
    """Name the row's data set, scale and model; '' where no run of it is finished."""
    for experiment in row.experiments:
        stored = result(experiment, results)
        if stored is not None:
            model = type(experiment.task.model).__name__
            return (
                f"{stored['dataset']['name']}, scale {scale or 'none'}, model {model} "
                f"({stored['parameters']:,} parameters)."
            )
    return ""


def _training(experiment: Experiment) -> str:
    """Describe how the experiment trains."""
    train, federation = experiment.task.train, experiment.federation
    near = f", proximal mu {train.proximal_mu:g}" if train.proximal_mu else ""
    step = f"lr {train.lr:g}, weight decay {train.weight_decay:g}, batch {train.batch_size}{near}."
    if experiment.method is not None:
        return f"{train.epochs} epochs of final training, {step}"
    clients = getattr(experiment.task.partition, "clients", "?")
    return (
        f"{federation.rounds} rounds, {clients} clients, {federation.fraction:g} of them per "
        f"round, {train.epochs} local epochs, {step}"
    )


def _plainer_rule(experiment: Experiment) -> str:
    """Say where the settings of the rule make it another one; '' where not, or nobody can tell."""
    clients = getattr(experiment.task.partition, "clients", None)
    if experiment.method is not None or not isinstance(clients, int):
        return ""
    return remark(experiment.federation, clients)


def _worst_groups(stored: Sequence[dict[str, Any]]) -> str:
    """Say how fine WGA can be: one test sample of the smallest worst group."""
    sizes = sorted({run["selection"]["final"]["worst_group_samples"] for run in stored})
    size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return (
        f"The worst group of a run holds {size} test samples (one of {sizes[0]} is "
        f"{number(100 / sizes[0], 2)} points of WGA)."
    )


def _attack(row: Row, against: str) -> str:
    """Say which attack, who carries it out, and how ASR is counted; '' without an attack."""
    task, federated = row.experiments[0].task, row.experiments[0].method is None
    attack = task.attack
    if type(attack) is NoAttack:
        return ""
    settings = ", ".join(
        f"{key} {value}" for key, value in _flat(to_dict(attack)) if value is not None
    )
    who = "spread over all clients" if federated else "in the training set"
    if federated and task.attackers.fraction:
        who = f"held by {100 * task.attackers.fraction:g} % of the clients ({task.attackers.among})"
    seed = (
        "drawn anew with each seed"
        if task.attack_seed is None
        else f"attack seed {task.attack_seed}"
    )
    counted = (
        "ASR is the accuracy its target group lost against the clean run of the same seed."
        if is_paired(attack)
        else "ASR is the share of attacked test samples on which the attacker wins."
    )
    drop = ""
    if against != "FedAvg":
        drop = f" An ASR drop is that of {against} minus this one: positive = less attack success."
    elif federated:
        drop = " An ASR drop is FedAvg minus the defence: positive = the defence helps."
    return f"{type(attack).__name__} ({settings}), poisons {who}, {seed}. {counted}{drop}"


def _flat(settings: Mapping[str, Any], where: str = "") -> list[tuple[str, Any]]:
    """Return settings by dotted path."""
    pairs = []
    for key, value in settings.items():
        inner = (
            _flat(value, f"{where}{key}.")
            if isinstance(value, Mapping)
            else [(f"{where}{key}", value)]
        )
        pairs += inner
    return pairs


def _presets(table: Table) -> list[str]:
    """Name the preset of every row of SparseFed."""
    presets = sorted(
        {
            f"{next(iter(row.label.values()))}: {rule.preset}"
            for row in table.rows
            if (experiment := row.experiments[0]).method is None
            and isinstance(rule := experiment.federation.aggregator, SparseFed)
        }
    )
    return [f"SparseFed presets: {'; '.join(presets)}."] if presets else []


def _paper_note(table: Table) -> list[str]:
    """Say that the paper's numbers compare in direction only, where they do."""
    if not table.paper or table.scale == "paper":
        return []
    return [
        "The paper's numbers were measured on its own data and models, these at a smaller scale: "
        "compare directions and orders, not sizes."
    ]
