"""What `benchmarks.same_bytes` runs besides the project's tables, and how it compares results."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CASES = {
    "federated_cases": {
        "{federation: {aggregator: %s}}": """fedavg | median | norm_clipping | krum | multi_krum |
            geometric_median | bucketing | nnm | centred_clipping | fedavgm | fedadam | flower |
            fltrust | {use: trimmed_mean, trim: 1} |
            {use: fltrust, root_set: balanced, root_size: 20} |
            {use: sparsefed, rho: 0.0, k: 0.0358} | {use: sparsefed, rho: 0.9, k: 0.0358} |
            {use: nnm, f: 2, rule: {use: krum, f: 2}} |
            {use: bucketing, s: 2, rule: {use: trimmed_mean, trim: 1}} |
            {use: flower, strategy: "flwr.serverapp.strategy:Krum",
             options: [[num_malicious_nodes, 2]]} |
            {use: flower, strategy: "flwr.serverapp.strategy:FedAdam"}""",
        "{task: {attackers: {fraction: 0.2}}, federation: {byzantine: %s}}": """none | sign_flip |
            gaussian | model_replacement | cancellation | ipm | min_max | mimic |
            {use: min_max, direction: unit, bound: sum} |
            {use: min_max, direction: sign, bound: sum} |
            {use: gaussian, mode: add, std: 0.5, relative: true} | {use: alie, z: 1.5}""",
        "{task: {partition: {clients: 20, %s}}}": """use: iid, remainder: drop |
            use: iid, stratify: true | use: minority_holders | use: dirichlet, alpha: 5.0 |
            use: pathological | use: size_skew""",
        "{task: {partition: %s}}": """{use: lists, file: "{cases}/lists.json"}""",
        "{task: {attackers: {fraction: 0.2}, attack: %s}}": """
            {use: dlbd, fraction: 0.05, insert: append} |
            {use: dlbd, fraction: 0.05, insert: replace} | {use: sa, insert: append} |
            {use: sa, insert: replace} | {use: sa, match: attribute, with_replacement: true} |
            {use: gm, augment: off, restarts: 1, steps: 5, surrogate: {train: {epochs: 1}}} |
            {use: gm, augment: official, restarts: 1, steps: 5, surrogate: {train: {epochs: 1}}}""",
        "{task: {attackers: %s, attack: {use: dlbd, fraction: 0.05}}}": """
            {fraction: 0.2, among: holders} | {fraction: 0.1, among: others}""",
        "{federation: %s}": "{buffers: keep} | {max_norm: 0.5} | {min_valid: 9}",
        "{task: %s}": "{train: {precision: bfloat16, momentum: 0.0}, attack_seed: null}",
    },
    "central_cases": {
        "{method: %s, task: {attack: {use: dlbd, fraction: 0.05}}}": """erm | group_dro |
            {use: group_dro, sampler: shuffle} | {use: jtt, identify_epochs: 1, amplify: total} |
            {use: jtt, identify_epochs: 1, amplify: weights} |
            {use: jtt, identify_epochs: 2, predictions: eval, upsample: -1} |
            {use: george, first_epochs: 2, checkpoint: wga} |
            {use: epic, every: 2, start: 0, threshold: 2, no_bias: true, similarity: inverse} |
            {use: epic_then_jtt, stop: 2, identify_epochs: 1, epic: {subset: 0.3}}""",
    },
}
"""Own tables: settings of a row, and what is put into them, one row each."""
BASE = "base: {task: {data: synthbirds, model: small, partition: {use: iid, clients: 20}}%s}"
COUNTS = {"train": (730, 38, 12, 220), "val": (50, 50, 14, 14), "test": (150, 150, 42, 42)}
"""Pictures per group of each split, with the proportions of Waterbirds."""
SKIPPED = {"timing.jsonl", "env.json", "log.txt", "lock"}
"""Files of a run that say when, where and how fast it ran."""
COMPARED = {".csv", ".md", ".tex"}
"""Files of a report that are compared; of pages and figures just that they are there, and a figure
that is drawn differently (PNG) is noted."""
VERSIONS = "minutes of run time"
"""A line of report.md with these words names versions, commit, machine and time."""
SHOWN = 110


def write_cases(cases: Path) -> None:
    """Write the own tables, the file of a partition and the folder of pictures."""
    cases.mkdir(parents=True, exist_ok=True)
    for name, kinds in CASES.items():
        settings = {kind: " ".join(text.split()).split(" | ") for kind, text in kinds.items()}
        rows = [kind % each for kind in settings for each in settings[kind]]
        lines = [f"- {{label: {{CASE: '{n}'}}, set: {row}}}" for n, row in enumerate(rows)]
        base = BASE % (", federation: {fraction: 0.5}" if name == "federated_cases" else "")
        text = "\n".join([f"title: {name.replace('_', ' ')}", base, "rows:", *lines, ""])
        (cases / f"{name}.yaml").write_text(text.replace("{cases}", str(cases)))
    dealt = [list(range(client, sum(COUNTS["train"]), 20)) for client in range(20)]
    (cases / "lists.json").write_text(json.dumps(dealt))
    if not (cases / "pictures" / "metadata.csv").exists():
        _draw(cases / "pictures")


def _draw(folder: Path) -> None:
    """Draw a disk or a bar on one of two noisy grounds, few of them where the two do not match."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    random, lines = np.random.default_rng(0), ["file,y,a,split"]
    up, across = np.mgrid[:32, :32]
    where = [(s, int(g)) for s, n in COUNTS.items() for g in np.repeat(range(4), n)]
    for split, group in where:
        y, a = divmod(group, 2)
        image = random.normal((90, 130, 70) if a else (70, 100, 140), 30, (32, 32, 3))
        top, left = random.integers(10, 22, 2)
        bar = np.abs(up - top) * 3 + np.abs(across - left) / 2
        shape = bar if y else np.hypot(up - top, across - left)
        image[shape < 6] += random.normal(60, 20, 3)
        name = f"{len(lines):04d}.png"
        pixels = image.clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        lines.append(f"{name},{y},{a},{split}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


@dataclass
class Found:
    """What was compared in one group of runs."""

    runs: int = 0
    equal: int = 0
    differences: list[str] = field(default_factory=list)
    differing: int = 0
    """Files that differ or are missing."""
    notes: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Files looked at."""
        return self.equal + self.differing

    def add(self, name: str, difference: str) -> None:
        """Count one file, and say where it differs."""
        if not difference:
            self.equal += 1
            return
        self.differing += 1
        self.differences.append(f"{name}: {difference}")


def compare(base: Path, new: Path) -> Found:
    """Compare two results folders: run directories and reports."""
    found = Found()
    ids = [{p.parent.name for p in root.glob("*/spec.json")} for root in (base, new)]
    found.runs = len(ids[0] | ids[1])
    for name in sorted(ids[0] ^ ids[1]):
        found.differences.append(
            f"run {name}: only in the {'base' if name in ids[0] else 'new tree'}"
        )
    for name in sorted(ids[0] & ids[1]):
        _compare_folder(base / name, new / name, name, found)
    _compare_folder(base / "reports", new / "reports", "reports", found)
    return found


def _compare_folder(base: Path, new: Path, name: str, found: Found) -> None:
    """Compare every file under two folders; files that only the new one has are notes."""
    files = [
        {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
        for root in (base, new)
    ]
    for path in sorted(files[0]):
        if path.name in SKIPPED:
            continue
        if path not in files[1]:
            found.add(f"{name}/{path}", "missing in the new tree")
        elif name != "reports" or path.suffix in COMPARED:
            found.add(f"{name}/{path}", difference(base / path, new / path))
        else:
            found.add(f"{name}/{path}", "")
            if path.suffix == ".png" and difference(base / path, new / path):
                found.notes.append(f"{name}/{path}: another picture")
    for path in sorted(files[1] - files[0]):
        if path.name not in SKIPPED:
            found.notes.append(f"{name}/{path}: only in the new tree")


def difference(base: Path, new: Path) -> str:
    """Say where two files first differ in what counts; empty where they do not."""
    if base.suffix == ".npz":
        return _arrays_differ(base, new)
    return _first(*(_timeless(base.name, path.read_bytes()) for path in (base, new)))


def _timeless(name: str, text: bytes) -> bytes:
    """Drop the line on versions and time of a report, and what 0.1.0 did not put into a result."""
    if name == "report.md":
        return b"\n".join(line for line in text.split(b"\n") if VERSIONS.encode() not in line)
    if name != "result.json":
        return text
    stored = {k: v for k, v in json.loads(text).items() if k not in ("run", "records")}
    stored["dataset"].pop("classes", None)
    return json.dumps(stored, indent=1).encode()


def _first(one: bytes, two: bytes) -> str:
    """Say which line of two texts, or byte of other files, differs first; empty: none does."""
    if one == two:
        return ""
    try:
        lines = [text.decode().split("\n") for text in (one, two)]
    except UnicodeDecodeError:
        pairs = enumerate(zip(one, two, strict=False))
        at = next((at for at, (a, b) in pairs if a != b), min(len(one), len(two)))
        return f"byte {at} differs ({len(one)} and {len(two)} bytes)"
    short = min(len(part) for part in lines)
    at = next((at for at in range(short) if lines[0][at] != lines[1][at]), short)
    shown = [part[at] if at < len(part) else "(end)" for part in lines]
    start = next((i for i, (a, b) in enumerate(zip(*shown, strict=False)) if a != b), 0)
    start = max(0, start - SHOWN // 2)
    base, new = (text[start : start + SHOWN] for text in shown)
    return f"line {at + 1}, from column {start + 1}:\n    base {base}\n    new  {new}"


def _arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of an npz file, the length of the file of times left out of its head."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if "__head__" in arrays:
        head = json.loads(str(arrays.pop("__head__")))
        head.get("lengths", {}).pop("timing", None)
        arrays["__head__"] = np.array(json.dumps(head))
    return arrays


def _arrays_differ(base: Path, new: Path) -> str:
    """Say which array of two npz files differs first, bit by bit; empty where none does."""
    one, two = _arrays(base), _arrays(new)
    if list(one) != list(two):
        return f"arrays {', '.join(one)} in the base, {', '.join(two)} in the new tree"
    for name, a in one.items():
        b = two[name]
        if a.dtype.kind == b.dtype.kind == "U" and (a != b).any():
            return f"array {name}: {_first(str(a).encode(), str(b).encode())}"
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return f"array {name}: {a.dtype} {a.shape} is now {b.dtype} {b.shape}"
        if a.tobytes() == b.tobytes():
            continue
        flat = [np.frombuffer(x.tobytes(), f"V{x.dtype.itemsize}") for x in (a, b)]
        at = np.flatnonzero(flat[0] != flat[1])
        first = int(at[0])
        values = f"{a.ravel()[first]} and {b.ravel()[first]}"
        return f"array {name}: {len(at)} of {a.size} values differ, the first at {first}: {values}"
    return ""


def show(found: dict[str, Found]) -> bool:
    """Print what was compared, then each difference and note; True where all is equal."""
    print(f"{'group':<14} {'runs':>5} {'files':>6} {'equal':>6} {'differing':>10}")
    for name, group in found.items():
        print(f"{name:<14} {group.runs:5} {group.files:6} {group.equal:6} {group.differing:10}")
    groups = list(found.values())
    sums = [sum(getattr(g, key) for g in groups) for key in ("runs", "files", "equal", "differing")]
    print(f"{'all':<14} {sums[0]:5} {sums[1]:6} {sums[2]:6} {sums[3]:10}")
    for name, group in found.items():
        for line in group.differences:
            print(f"DIFFERS {name}/{line}")
        for line in group.notes:
            print(f"note    {name}/{line}")
    same = not any(group.differences for group in groups)
    print("equal" if same else f"{sum(len(g.differences) for g in groups)} differences")
    return same
