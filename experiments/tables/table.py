"""The table is the experiment: a YAML file of base settings, rows, seeds and scales.

title: ...              one line
note: ...               what to know before reading the numbers
base: {task: ..., federation: ...}
scales: {small: {...}, paper: {...}}   laid over base; `scale:` names the default one; or the name of a
                        file in experiments/presets. A scale with `extends: paper` is laid over that one
rows: [{label: {METHOD: Median, IID: yes}, set: {federation: {aggregator: median}}}, ...]
                        (a row may have `scales:` of its own, laid over its `set`, and `only: [paper]`,
                        the scales it exists at; both hold for scales that extend theirs)
vary: [{label: {CASE: IDEAL}, set: {method: {case: ideal}}}, ...]   every row in each of these variants
columns: [wga, acc_adjusted, asr]   what is printed; default: by what the runs measure
probes: [strip]         what is measured on the finished runs (fedgroup/probes)
baseline: {name: ERM, set: {method: erm}}   what drops are taken against: the row with these settings laid
                        over it; default: FedAvg, and no baseline for centralized methods
seeds: [0, 1, 2]
paper: table9.csv       the paper's numbers, matched by the label columns
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.tables.extra_rows import added
from fedgroup.errors import FedgroupError, unknown
from fedgroup.spec import merge, overrides, read

KEYS = {
    *(
        "title",
        "note",
        "base",
        "scales",
        "scale",
        "rows",
        "vary",
        "columns",
        "probes",
        "seeds",
        "paper",
    ),
    "baseline",
}


@dataclass(frozen=True)
class Row:
    """One line of a table: its label columns and one experiment per seed."""

    label: dict[str, str]
    experiments: tuple[Experiment, ...]
    baselines: tuple[Experiment, ...]
    """What each experiment is compared with; itself where it is a baseline."""
    audited: bool = False
    """Somebody's own, added to the table: the report begins with a verdict on it."""


@dataclass(frozen=True)
class Table:
    """A table with every setting resolved."""

    name: str
    title: str
    note: str
    scale: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    paper: dict[tuple[str, ...], dict[str, str]]
    """The paper's cells by label values; empty where the paper has no such table."""
    columns: tuple[str, ...]
    """Metrics to print; empty: by what the runs measure."""
    probes: tuple[str | dict[str, Any], ...]
    """Measurements on finished runs: a probe's name, or a mapping with `use` and its settings."""
    against: str
    """What the baselines are called."""
    origin: dict[str, str]
    """Which layer each setting that is not a default came from (dotted path -> layer)."""

    def experiments(self) -> list[Experiment]:
        """Distinct experiments in row order; a run shared by several rows appears once."""
        return list({e.id: e for row in self.rows for e in row.experiments}.values())


def names() -> list[str]:
    """Tables that ship with the project."""
    folder = resources.files("experiments") / "tables"
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def of_the_paper() -> list[str]:
    """Tables and figures of the paper, in its order."""
    found = [match for name in names() if (match := re.fullmatch(r"(figure|table)(\d+)", name))]
    return [
        match[0] for match in sorted(found, key=lambda match: (match[1] != "table", int(match[2])))
    ]


def _file(name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if not path.is_file():
            raise FedgroupError(f"no table file at {path}")
        return path
    if name not in names():
        raise unknown("table", name, [*names(), "my_table.yaml"])
    return Path(str(resources.files("experiments") / "tables" / f"{name}.yaml"))


def describe(name: str) -> str:
    """Title of a table."""
    return str(read(_file(name)).get("title", ""))


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
    """Read a table and resolve every row: base < scale < data < row < assignments.

    `rules` and `methods` add rows: each rule or centralized method (a name, an import path, or a YAML
    mapping with `use`) beside every distinct baseline of the table. `own` are settings in place of the
    base's, under those of the rows.
    """
    path = _file(name)
    values = read(path)
    for key in values:
        if key not in KEYS:
            raise unknown(f"key in {path.name}", key, KEYS)
    scales = _scales(values.get("scales"), path.name)
    chosen = scale or _scale_of(scales, data) or values.get("scale") or ""
    if chosen and chosen not in scales:
        raise unknown(f"scale of {name}", chosen, scales)
    chain = _chain(chosen, scales, path.name)
    layers = [
        ("base", values.get("base") or {}),
        *((f"scale {link}", scales[link]) for link in chain),
    ]
    if data is not None:
        layers.append(("--data", {"task": {"data": dict(data)}}))
    if own is not None:
        layers.append(("own", dict(own)))
    over = overrides(assignments)
    base: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer, settings in layers:
        base = merge(base, settings)
        origin |= dict.fromkeys(_paths(settings), layer)
    origin |= dict.fromkeys(_paths(over), "--set")
    used = tuple(seeds if seeds is not None else values.get("seeds") or [0])
    compared = values.get("baseline") or {}
    rows = [
        _row(entry, base, over, chain, used, compared, path.name)
        for entry in _variants(values.get("rows") or [], values.get("vary") or [])
        if _kept(entry, chosen, data)
    ]
    if not rows:
        raise FedgroupError(f"{path.name} has no rows")
    _refuse_equal_rows(rows, path.name)
    shipped = tuple(rows)
    rows += [row for rule in rules for row in added(shipped, rule, "rule")]
    rows += [row for method in methods for row in added(shipped, method, "method")]
    paper = _paper(values.get("paper"), rows[0].label)
    return Table(
        path.stem,
        str(values.get("title", "")),
        str(values.get("note", "")),
        chosen,
        used,
        tuple(rows),
        paper,
        tuple(values.get("columns") or ()),
        tuple(values.get("probes") or ()),
        str(compared.get("name", "FedAvg")),
        origin,
    )


def _kept(entry: Mapping[str, Any], scale: str, data: Mapping[str, Any] | None) -> bool:
    """Whether a row exists at this scale; with --data a row that names another data set does not."""
    own = ((entry.get("set") or {}).get("task") or {}).get("data")
    named = own.get("use") if isinstance(own, Mapping) else own
    if data is not None and named not in (None, data["use"]):
        return False
    return not entry.get("only") or scale in entry["only"]


def _row(
    entry: Mapping[str, Any],
    base: dict[str, Any],
    over: dict[str, Any],
    chain: Sequence[str],
    seeds: Sequence[int],
    compared: Mapping[str, Any],
    where: str,
) -> Row:
    """A row of the file as runs: base < its set < its scales < its variant < overrides."""
    settings = merge(base, entry.get("set") or {})
    for link in chain:
        settings = merge(settings, (entry.get("scales") or {}).get(link) or {})
    settings = merge(merge(settings, entry.get("variant") or {}), over)
    label = {str(k): str(v) for k, v in (entry.get("label") or {}).items()}
    try:
        runs = tuple(Experiment.of(merge(settings, {"task": {"seed": seed}})) for seed in seeds)
    except FedgroupError as error:
        raise FedgroupError(f"{where}, row {' '.join(label.values())}: {error}") from error
    return Row(label, runs, tuple(_baseline(run, compared) for run in runs))


def _baseline(run: Experiment, compared: Mapping[str, Any]) -> Experiment:
    """The run that this one is compared with: that of the table's `baseline`, or plain FedAvg."""
    if "set" not in compared:
        return run.baseline()
    return Experiment.of(merge(run.to_dict(), compared["set"]))


def _scales(given: Any, where: str) -> dict[str, dict[str, Any]]:
    """Settings by scale: those given, or those of a file in experiments/presets."""
    if isinstance(given, str):
        folder = resources.files("experiments") / "presets"
        known = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
        if given not in known:
            raise unknown(f"preset in {where}", given, known)
        given = read(Path(str(folder / f"{given}.yaml")))
    return {str(name): dict(settings or {}) for name, settings in (given or {}).items()}


def _chain(chosen: str, scales: dict[str, dict[str, Any]], where: str) -> list[str]:
    """The scales to lay over each other for `chosen`, the one it extends first; takes `extends` out."""
    chain: list[str] = []
    while chosen:
        if chosen in chain:
            raise FedgroupError(f"{where}: scale {chosen} extends itself")
        if chosen not in scales:
            raise unknown(f"scale to extend in {where}", chosen, scales)
        chain.insert(0, chosen)
        chosen = str(scales[chosen].pop("extends", ""))
    return chain


def _variants(
    rows: Sequence[Mapping[str, Any]], vary: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Every row in every variant: labels joined, the variant's settings laid over the row's."""
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
    """Rows with different labels must be different runs; an override can make them the same."""
    seen: dict[str, Row] = {}
    for row in rows:
        other = seen.setdefault(row.experiments[0].id, row)
        if other is not row:
            one, two = ("/".join(r.label.values()) for r in (other, row))
            raise FedgroupError(
                f"{name}: rows {one} and {two} are the same run under these settings; to compare a rule of "
                f"your own, add it as a row: --rule my_pkg.mod:MyRule"
            )


def _scale_of(scales: Mapping[str, Any], data: Mapping[str, Any] | None) -> str | None:
    """The scale made for a data set given with --data: waterbirds chooses the paper's, say."""
    if data is None:
        return None
    for name, settings in scales.items():
        made_for = ((settings or {}).get("task") or {}).get("data")
        if data["use"] == (made_for.get("use") if isinstance(made_for, Mapping) else made_for):
            return str(name)
    return None


def _paths(settings: Any, where: str = "") -> list[str]:
    if not isinstance(settings, Mapping) or not settings:
        return [where] if where else []
    return [p for k, v in settings.items() for p in _paths(v, f"{where}.{k}" if where else str(k))]


def _paper(name: str | None, label: Mapping[str, str]) -> dict[tuple[str, ...], dict[str, str]]:
    if not name:
        return {}
    text = (resources.files("experiments") / "paper" / name).read_text(encoding="utf-8")
    return {
        tuple(row[key] for key in label): dict(row) for row in csv.DictReader(text.splitlines())
    }
