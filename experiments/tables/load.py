"""Read a table: a YAML file of base settings, rows, seeds and scales.

title: ...              one line
note: ...               what to know before reading the numbers
base: {task: ..., federation: ...}
scales: {small: {...}, paper: {...}}   laid over base; `scale:` names the default one; or the name
                        of a file in experiments/presets. A scale with `extends: paper` is laid over
                        that one
rows: [{label: {METHOD: Median, IID: yes}, set: {federation: {aggregator: median}}}, ...]
                        (a row may have `scales:` of its own, laid over its `set`, and
                        `only: [paper]`, the scales it exists at; both hold for scales that extend
                        theirs)
vary: [{label: {CASE: IDEAL}, set: {method: {case: ideal}}}, ...]   every row in each variant
columns: [wga, acc_adjusted, asr]   what is printed; default: by what the runs measure
probes: [strip]         what is measured on the finished runs (fedgroup/probes)
baseline: {name: ERM, set: {method: erm}}   what drops are taken against: the row with these
                        settings laid over it; default: FedAvg, and no baseline for centralized
                        methods
seeds: [0, 1, 2]
paper: table9.csv       the paper's numbers, matched by the label columns
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from experiments.experiment import Experiment
from experiments.tables.assignments import check_paths, for_row, refuse_lost
from experiments.tables.extra_rows import extra_rows
from experiments.tables.file_checks import check_file, check_labels, check_scales
from experiments.tables.scales import read_scales, scale_chain, scale_for_data
from experiments.tables.shipped import table_file
from experiments.tables.table import Row, Table
from fedgroup.errors import FedgroupError, unknown
from fedgroup.settings.overrides import leaves, merge, overrides, read_yaml


@dataclass(frozen=True)
class _Settings:
    """What every row of a table shares."""

    base: dict[str, Any]
    """Settings under those of the row: base < scale < data < own."""
    over: dict[str, Any]
    """Settings of `--set`, over those of the row."""
    scales: Sequence[str]
    """Scales laid over each other, the lowest first."""
    seeds: tuple[int, ...]
    baseline: Mapping[str, Any]
    """The file's `baseline`; empty where it has none."""
    where: str
    """Name of the file, for errors."""


def load(
    name: str,
    scale: str | None = None,
    seeds: Sequence[int] | None = None,
    data: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
    rules: Sequence[str] = (),
    methods: Sequence[str] = (),
    own: Mapping[str, Any] | None = None,
) -> Table:
    """Read a table and resolve every row: base < scale < data < own < row < assignments.

    Args:
        name: A shipped table, or the path of a .yaml file.
        scale: Size of the runs; default: the scale made for `data`, else the table's own.
        seeds: Seeds of every row; default: the table's own.
        data: Data set of every row, a mapping with `use` and its settings. Rows that name another
            one are left out.
        assignments: Settings over those of every row, e.g. federation.rounds=20.
        rules: Aggregation rules to add as rows, one beside every distinct baseline: a name, an
            import path, or a YAML mapping with `use`.
        methods: Centralized methods to add as rows in the same way.
        own: Settings in place of the base's, under those of the rows.

    Returns:
        The table.

    Raises:
        FedgroupError: The file, a key, a scale or a setting is wrong; the table has no rows; or two
            rows are the same run.
    """
    path = table_file(name)
    values = read_yaml(path)
    check_file(values, path.name)
    scales = read_scales(values.get("scales"), path.name)
    check_scales(values, scales, path.name)
    chosen = scale or scale_for_data(scales, data) or values.get("scale") or ""
    if chosen and chosen not in scales:
        raise unknown(f"scale of {name}", chosen, scales)
    chain = scale_chain(chosen, scales, path.name)
    layers = _layers(values.get("base"), {link: scales[link] for link in chain}, data, own)
    over = _overrides(assignments, data, own, bool(rules or methods))
    base, origin = _merged(layers, over)
    used = tuple(seeds if seeds is not None else values.get("seeds", [0]))
    shared = _Settings(base, over, chain, used, values.get("baseline") or {}, path.name)
    rows = _rows(values, chosen, data, shared)
    added = [row for rule in rules for row in extra_rows(rows, rule, "rule")]
    added += [row for method in methods for row in extra_rows(rows, method, "method")]
    return Table(
        name=path.stem,
        title=str(values.get("title", "")),
        note=str(values.get("note", "")),
        scale=chosen,
        seeds=used,
        rows=(*rows, *added),
        paper=_paper(values.get("paper"), rows[0].label),
        columns=tuple(values.get("columns") or ()),
        probes=tuple(values.get("probes") or ()),
        against=str(shared.baseline.get("name", "FedAvg")),
        origin=origin,
    )


def _overrides(
    assignments: Sequence[str],
    data: Mapping[str, Any] | None,
    own: Mapping[str, Any] | None,
    added: bool,
) -> dict[str, Any]:
    """Return the values of `--set` as one mapping; refuse what another option overwrites."""
    over = overrides(assignments)
    check_paths(over, merge({"task": {"data": data}} if data else {}, own or {}), added)
    return over


def _layers(
    base: Mapping[str, Any] | None,
    scales: Mapping[str, Mapping[str, Any]],
    data: Mapping[str, Any] | None,
    own: Mapping[str, Any] | None,
) -> dict[str, Mapping[str, Any]]:
    """Return the settings under those of the rows by the name of their layer, the lowest first."""
    layers: dict[str, Mapping[str, Any]] = {"base": base or {}}
    layers |= {f"scale {name}": settings for name, settings in scales.items()}
    if data is not None:
        layers["--data"] = {"task": {"data": dict(data)}}
    if own is not None:
        layers["own"] = own
    return layers


def _merged(
    layers: Mapping[str, Mapping[str, Any]], over: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the merged layers, and which layer each setting came from; `over` is only noted."""
    base: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer, settings in layers.items():
        base = merge(base, settings)
        origin |= dict.fromkeys(dict(leaves(settings)), layer)
    return base, origin | dict.fromkeys(dict(leaves(over)), "--set")


def _rows(
    values: Mapping[str, Any], scale: str, data: Mapping[str, Any] | None, shared: _Settings
) -> tuple[Row, ...]:
    """Return the rows of the file that exist at this scale; refuse none, and two that are equal."""
    entries = _variants(values.get("rows") or [], values.get("vary") or [])
    entries = [entry for entry in entries if _exists(entry, scale, data)]
    if not entries:
        raise FedgroupError(f"{shared.where} has no rows")
    rows = tuple(_row(entry, shared) for entry in entries)
    check_labels([row.label for row in rows], shared.where)
    refuse_lost(shared.over, [_under(entry, shared) for entry in entries], shared.where)
    _refuse_equal_rows(rows, shared.where)
    return rows


def _exists(entry: Mapping[str, Any], scale: str, data: Mapping[str, Any] | None) -> bool:
    """Return whether a row exists at this scale; one that names another data set does not."""
    own = ((entry.get("set") or {}).get("task") or {}).get("data")
    named = own.get("use") if isinstance(own, Mapping) else own
    if data is not None and named not in (None, data["use"]):
        return False
    return not entry.get("only") or scale in entry["only"]


def _row(entry: Mapping[str, Any], shared: _Settings) -> Row:
    """Return a row of the file as runs, one per seed."""
    settings = _under(entry, shared)
    settings = merge(settings, for_row(shared.over, settings))
    label = {str(key): str(value) for key, value in (entry.get("label") or {}).items()}
    try:
        runs = tuple(
            Experiment.of(merge(settings, {"task": {"seed": seed}})) for seed in shared.seeds
        )
    except FedgroupError as error:
        raise FedgroupError(f"{shared.where}, row {' '.join(label.values())}: {error}") from error
    return Row(label, runs, tuple(_baseline(run, shared.baseline) for run in runs))


def _under(entry: Mapping[str, Any], shared: _Settings) -> dict[str, Any]:
    """Return a row's settings under the overrides: base < its set < its scales < its variant."""
    settings = merge(shared.base, entry.get("set") or {})
    for link in shared.scales:
        settings = merge(settings, (entry.get("scales") or {}).get(link) or {})
    return merge(settings, entry.get("variant") or {})


def _baseline(run: Experiment, entry: Mapping[str, Any]) -> Experiment:
    """Return the run of the table's `baseline` for this one, or that of plain FedAvg."""
    if "set" not in entry:
        return run.baseline()
    return Experiment.of(merge(run.to_dict(), entry["set"]))


def _variants(
    rows: Sequence[Mapping[str, Any]], vary: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return every row in every variant: labels joined, the variant's settings apart."""
    if not vary:
        return [dict(row) for row in rows]
    return [
        {
            **row,
            "label": {**(row.get("label") or {}), **(variant.get("label") or {})},
            "variant": variant.get("set") or {},
        }
        for row in rows
        for variant in vary
    ]


def _refuse_equal_rows(rows: Sequence[Row], name: str) -> None:
    """Refuse rows with different labels that are the same run; an override can make them so."""
    seen: dict[str, Row] = {}
    for row in rows:
        other = seen.setdefault(row.experiments[0].id, row)
        if other is not row:
            one, two = ("/".join(r.label.values()) for r in (other, row))
            raise FedgroupError(
                f"{name}: rows {one} and {two} are the same run under these settings; to compare a "
                f"rule of your own, add it as a row: --rule my_pkg.mod:MyRule"
            )


def _paper(name: str | None, label: Mapping[str, str]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the paper's cells by label values from a file in experiments/paper."""
    if not name:
        return {}
    text = (resources.files("experiments") / "paper" / name).read_text(encoding="utf-8")
    return {
        tuple(row[key] for key in label): dict(row) for row in csv.DictReader(text.splitlines())
    }
