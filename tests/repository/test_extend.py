"""The how-to pages are what a newcomer copies: their files are written and their commands run, on toy data."""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli.app import app
from experiments.experiment import Experiment
from experiments.run import run
from experiments.tables.load import load
from experiments.tables.table import Table
from fedgroup.runs.run_directory import read_lines
from fedgroup.storage import read_json
from fedgroup.task import load_splits
from strategies.rules.flower_rule import FlowerRule
from tests.paths import ROOT
from tests.toy import ToyData

DOCS = ROOT / "docs"
PAGES = {
    page.stem: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("how-to/add_*.md"))
}
FILES = {
    block.split()[1]: block
    for text in PAGES.values()
    for block in re.findall(r"```python\n(# \S+\n.*?)```", text, re.S)
}
COMMANDS = [
    line for text in PAGES.values() for line in re.findall(r"^    fedgroup (.*)$", text, re.M)
]
TABLES = [
    (page.stem, block)
    for page in [DOCS / "how-to/write_a_table.md", *sorted(DOCS.glob("reference/methods/*.md"))]
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the pages' files, importable, and the results of all their commands."""
    made = tmp_path_factory.mktemp("extend")
    for name, text in FILES.items():
        (made / name).write_text(text)
    (made / "mine.yaml").write_text(dict(TABLES)["write_a_table"])
    sys.path.insert(0, str(made))
    importlib.invalidate_caches()
    yield made
    sys.path.remove(str(made))
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def example(folder: Path, path: str, **settings: Any) -> Any:
    """A component of the pages."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)(**settings)


def tiny(words: list[str]) -> list[str]:
    """The command on the toy data and network, where it does not name its own."""
    words = ["tests.toy:ToyData" if word == "synthbirds" else word for word in words]
    if words[0] != "run":
        return words
    if "--data" not in words:
        words += ["--data", "tests.toy:ToyData"]
    if not any(word.startswith("task.model=") for word in words):
        words += ["--set", "task.model=tests.toy:ToyModel"]
    return [*words, "--set", "task.train.batch_size=8"]


def done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> list[tuple[Experiment, Path]]:
    """Give the words to the real command line; runs happen in this process, which saves starting workers."""
    ran: list[tuple[Experiment, Path]] = []

    def run_tables(tables: Sequence[Table], results: Path, *_: Any) -> int:
        for table in tables:
            ran.extend((experiment, run(experiment, results)) for experiment in table.experiments())
        return 0

    monkeypatch.chdir(folder)
    monkeypatch.setattr("experiments.launch.run_tables.run_tables", run_tables)
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return ran


def command(part: str) -> list[str]:
    """The pages' `run` command that names `part`."""
    return tiny(
        shlex.split(next(line for line in COMMANDS if line.startswith("run") and part in line))
    )


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_works(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(line)
    ran = done(folder, monkeypatch, tiny(words))
    own = re.search(r"my_\w+:\w+", line)
    assert own is not None, "the command shows nothing of the page"
    if words[0] == "run":  # what is run is what the command names, under that name
        specs = [(path / "spec.json").read_text() for _, path in ran]
        assert any(own[0] in spec for spec in specs)
        assert all((path / "result.json").exists() for _, path in ran)


@pytest.mark.parametrize("name", FILES)
def test_examples_are_short(name: str) -> None:
    assert len([line for line in FILES[name].splitlines() if line.strip()]) <= 25


@pytest.mark.parametrize(("page", "block"), TABLES, ids=[page for page, _ in TABLES])
def test_tables_of_the_pages_are_tables(page: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(block)
    table = load(str(tmp_path / "mine.yaml"))
    assert len(table.experiments()) == len(table.rows) > 0


def test_every_family_has_its_example() -> None:
    files = {"my_rule", "my_strategy", "my_attack", "my_update", "my_method", "my_data"}
    assert {name.removesuffix(".py") for name in FILES} == files | {"my_model", "my_partition"}


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_the_rule_of_the_first_page_keeps_the_contract(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "my_rules.py").write_text(block)
    (line,) = re.findall(r"^    fedgroup (check my_rules:.*)$", text, re.M)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_rules", None)
    try:
        result = CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)
    finally:
        sys.modules.pop("my_rules", None)
    assert result.exit_code == 0, result.output


def test_the_rule_by_hand(folder: Path) -> None:
    values = np.array([[9, 0], [1, 5], [2, 6], [3, 100]], np.float32)
    rule = example(folder, "my_rule:MiddleHalf")
    new, state = rule.step({}, np.zeros(2, np.float32), list(values), np.ones(4))
    assert new.tolist() == [2.5, 5.5]  # 1, 2, 3, 9 without the ends; 0, 5, 6, 100 without the ends
    assert (new.dtype, state) == (np.float32, {})


def test_the_flower_strategy_by_hand(folder: Path) -> None:
    rule = FlowerRule("my_strategy:Damped", (("share", 0.25),))
    theta = np.array([0, 8], np.float32)
    clients = [np.array([4, 8], np.float32), np.array([8, 16], np.float32)]
    new, state = rule.step(rule.init(theta), theta, clients, np.array([1.0, 1.0]))
    assert new.tolist() == [1.5, 9.0]  # a quarter of the way to (6, 12)
    again, _ = rule.step(state, new, [new, new], np.array([1.0, 3.0]))
    assert again.tolist() == new.tolist()


def test_the_sample_attack_by_hand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = example(folder, "my_attack:NextLabel", fraction=0.1)
    clean = load_splits(ToyData())
    train = attack.poison(clean, np.random.default_rng(0)).train
    assert (len(train), int(train.poison.sum())) == (88, 8)
    at = {row: position for position, row in enumerate(clean.train.row.tolist())}
    bases = [at[row] for row in train.row[train.poison].tolist()]
    assert (train.y[train.poison] == 1 - clean.train.y[bases]).all()
    always = attack.success(
        lambda view: np.zeros(len(view), np.int64), clean, np.random.default_rng(0)
    )
    assert always.correct == (0, 0, 10, 10)  # answering a is a win on the samples of b
    assert always.total == (10, 10, 10, 10)
    ((_, path),) = done(folder, monkeypatch, command("my_attack"))
    assert read_json(path / "result.json")["selection"]["final"]["attack_samples"] == 40


def test_the_update_attack_by_hand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = example(folder, "my_update:Sleeper", quiet=1)
    delta = np.array([1, -2], np.float32)
    state = attack.init(2)
    assert attack.forge(state, [], [delta], np.random.default_rng(0)) == ([], state)
    first, state = attack.forge(state, [delta], [delta], np.random.default_rng(0))
    second, state = attack.forge(state, [delta], [delta], np.random.default_rng(0))
    assert (first[0].tolist(), second[0].tolist(), float(state["rounds"])) == ([1, -2], [-1, 2], 2)
    ((_, path),) = done(folder, monkeypatch, command("my_update"))
    assert sum(bool(row.get("malicious")) for row in read_lines(path, "clients")) > 0


def test_the_partition_by_hand(folder: Path) -> None:
    train = load_splits(ToyData()).train
    parts = example(folder, "my_partition:OneBackground", clients=7).assign(train, 0)
    assert sorted(np.concatenate(parts).tolist()) == list(range(80))
    assert {len(part) for part in parts} == {11, 12}
    seen = [set((train.group[part] % 2).tolist()) for part in parts]
    assert sum(len(backgrounds) > 1 for backgrounds in seen) <= 1  # 44 samples have a = 0


def test_the_method_trains_without_what_it_dropped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, path),) = done(folder, monkeypatch, command("my_method"))
    result, rows = read_json(path / "result.json"), read_lines(path, "rounds")
    with np.load(path / "selection-eliminate.npz") as stored:
        dropped = int(stored["used"].sum())
    assert 0 < dropped < 80
    assert [row["samples"] for row in rows[1:]] == [80 - dropped] * 2
    assert set(result["elmf"]) == {"LRG-1", "LRG-2", "HRG", "HRG same class", "poisons"}


def test_the_data_set_has_the_groups_it_says(folder: Path) -> None:
    splits = example(folder, "my_data:Squares").load()
    assert [part.group_counts().tolist() for part in splits] == [
        [200, 20, 10, 170], [20] * 4, [50] * 4
    ]  # fmt: skip
    train = splits.train
    pixels = train.pixels(np.arange(len(train))).numpy().astype(float)
    green, red = pixels[..., 1].mean((1, 2)), pixels[..., 0].mean((1, 2))
    assert (green > 90).tolist() == (train.y == 1).tolist()
    assert (red - green > 35).tolist() == (train.group % 2 == 1).tolist()


def test_equal_seeds_give_equal_models(folder: Path) -> None:
    one, two, other = (example(folder, "my_model:TinyModel").build(2, seed) for seed in (0, 0, 1))
    assert (one.fc.weight == two.fc.weight).all()
    assert (one.fc.weight != other.fc.weight).any()


@pytest.mark.slow
def test_the_page_with_real_worker_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{DOCS.parent}")
    words = [*command("my_data:Squares"), "--results", "real", "--rule", "my_rule:MiddleHalf"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    kept = [json.loads(path.read_text()) for path in (folder / "real").glob("*/spec.json")]
    rules = {spec["federation"]["aggregator"]["use"] for spec in kept}
    assert rules == {"fedavg", "my_rule:MiddleHalf"}
