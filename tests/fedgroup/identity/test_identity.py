"""Whatever matters changes the id, nothing else does."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments.components.families import LISTED
from experiments.experiment import Experiment
from fedgroup.errors import FedgroupError
from fedgroup.identity import run_identity as module
from fedgroup.identity.data_files import look_again
from fedgroup.identity.run_identity import (
    ENTRY,
    Identity,
    beyond_settings,
    content_digest,
    spec_changes,
)
from fedgroup.identity.settings_id import settings_id, without
from strategies.rules.krum import Krum
from tests.fedgroup.data import fixtures
from tests.fedgroup.foreign import RULE, importable, write

IDS = {
    "71cca8650b8c": {},
    "bb2883aa758b": {"method": "erm"},
    "df6f3d5c6ae8": {"method": "jtt"},
    "c871776b8260": {"method": "george"},
    "a2151293d11d": {"method": "epic"},
    "c73fddc92750": {"method": "group_dro"},
    "6fe4f271eddc": {"method": "epic_then_jtt"},
    "f7197bd71518": {"task": {"attack": "dlbd"}},
    "cf6ce348547e": {"task": {"attack": "sa"}},
    "e183fc1ad54e": {"task": {"attack": "gm"}},
    "61b045f30f28": {"task": {"partition": "minority_holders"}},
    "74172bef93b1": {"task": {"partition": "dirichlet"}},
    "2cc241ecc07c": {"task": {"partition": "pathological"}},
    "790b8a2df1e6": {"task": {"partition": "size_skew"}},
    "1b049f4a0af7": {"task": {"model": "resnet18"}},
    "c5cc4fe5c511": {"task": {"model": {"use": "small", "init": "scratch"}}},
    "647d6d28b22a": {"task": {"seed": 3, "train": {"lr": 0.05}}},
    "325bf7273864": {"federation": {"aggregator": "median"}},
    "2edfc495187a": {"federation": {"aggregator": "trimmed_mean"}},
    "12aee1f9740a": {"federation": {"aggregator": "sparsefed"}},
    "c4e2aabf4452": {"federation": {"aggregator": "norm_clipping"}},
    "5a591565fa03": {"federation": {"aggregator": "krum"}},
    "31d6572e9c9f": {"federation": {"aggregator": "bucketing"}},
    "0c50558edaf8": {"federation": {"aggregator": "fltrust"}},
    "f54c8b818b6b": {"federation": {"aggregator": "flower"}},
    "2d2bd0a194a1": {"federation": {"byzantine": "sign_flip"}},
    "02fc44e639c5": {"federation": {"byzantine": "alie"}},
    "b8c0ad312015": {"federation": {"byzantine": "mimic"}},
}
"""Ids of version 0.1.0."""
PLACES = {("task.data", "root"), ("task.partition", "file")}
"""Settings that say where files lie: their content counts, not they."""
FIXED = {"method.case", "method.epic.case", "method.epic.stop"}
"""Settings of epic_then_jtt that have one legal value."""
OTHERS: tuple[Any, ...] = (
    *(2, 3, 0, 1, 5, 0.25, 0.5, 0.75, 2.0, True, False, None, "other", "scratch", "LRG-2"),
    *(["LRG-2"], [1, 2], [[1, 2]], {"f": 1}, {"share": 0.25}, "flwr.serverapp.strategy:Krum"),
    *(64, "auto", "mean", "keep", "proceed", "fail", "any", "holders", "bfloat16", "additive"),
    *("drop", "label", "weights", "pca", "kmeans", "acc", "shuffle", "inverse", "greedy", "ideal"),
    *("cosine1", "official", "add", "sum", "unit", "attribute", "replace", "balanced", "no_mask"),
    *("exp_minus_gamma_distance", "eval", 32),
)
"""What a setting is changed to: the first that its component takes."""


@pytest.mark.parametrize(
    ("name", "spec"), IDS.items(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_shipped_components_keep_their_ids(name: str, spec: dict[str, Any]) -> None:
    run = Experiment.of(spec)
    assert run.id == name
    assert run.spec() == run.to_dict()


# --- one thing that matters -----------------------------------------------------------------------


def leaves(settings: dict[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value


def at(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    return settings | {head: at(settings[head], rest, value) if rest else value}


def changed(spec: dict[str, Any], path: str, value: Any) -> Experiment | None:
    """The run with another value at a path; None where there is no other that is taken."""
    for other in OTHERS:
        if other == value and type(other) is type(value):
            continue
        try:
            run = Experiment.of(at(spec, path, other))
        except (FedgroupError, TypeError):
            continue
        if dict(leaves(run.to_dict())).get(path) != value or isinstance(other, dict | list):
            return run
    return None


COMPONENTS = [(family.place, use) for family in LISTED for use in family.names]


@pytest.mark.parametrize(("place", "use"), COMPONENTS)
def test_every_setting_of_every_component_changes_the_id(place: str, use: str) -> None:
    head, _, rest = place.partition(".")
    spec = Experiment.of({head: {rest: use} if rest else use}).to_dict()
    before = Experiment.of(spec).id
    for path, value in leaves(spec):
        key = path.removeprefix(f"{place}.")
        if not path.startswith(f"{place}.") or key.endswith("use") or (place, key) in PLACES:
            continue
        run = changed(spec, path, value)
        if use == "epic_then_jtt" and path in FIXED:
            assert run is None
            continue
        assert run is not None, f"no other value for {path}: add one to OTHERS"
        assert run.id != before, path


@pytest.mark.parametrize("how", [{}, {"method": "erm"}])
def test_every_other_setting_changes_the_id(how: dict[str, Any]) -> None:
    spec = Experiment.of({"task": {"attackers": {"fraction": 0.1}}, **how}).to_dict()
    before, places = Experiment.of(spec).id, tuple(f"{family.place}." for family in LISTED)
    tried = 0
    for path, value in leaves(spec):
        if not path.startswith(places):
            run = changed(spec, path, value)
            assert run is not None, f"no other value for {path}: add one to OTHERS"
            assert run.id != before, path
            tried += 1
    assert tried > 10


@pytest.mark.parametrize("family", LISTED, ids=lambda family: family.place)
def test_every_choice_of_a_component_changes_the_id(family: Any) -> None:
    head, _, rest = family.place.partition(".")
    ids = [Experiment.of({head: {rest: use} if rest else use}).id for use in family.names]
    assert len(set(ids)) == len(ids)


def test_a_count_and_a_share_of_the_same_size_are_two_settings() -> None:
    """For Python 1 == 1.0; for a rule that takes both, one is a count, the other a share."""

    @dataclass(frozen=True)
    class Part:
        k: int | float = 1
        flag: Any = True

    ids = [settings_id({"part": part}) for part in (Part(), Part(1.0), Part(1, 1), Part(1, 1.0))]
    assert len(set(ids)) == 4


# --- files ----------------------------------------------------------------------------------------


def now(spec: dict[str, Any]) -> Experiment:
    """A run whose files are looked at now."""
    look_again()
    run = Experiment.of(spec)
    assert run.id
    return run


def with_data(root: Path) -> Experiment:
    return now({"task": {"data": {"use": "folder", "root": str(root), "size": 16}}})


def test_every_file_of_a_folder_changes_the_id(tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path / "pets", per_pair=1)
    before = with_data(root).id
    files = sorted(path for path in root.rglob("*") if path.is_file())
    assert len(files) == 13
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert with_data(root).id != before, path
        path.write_bytes(content)
    assert with_data(root).id == before
    (root / "README").write_text("not listed, not read")
    assert with_data(root).id == before


def test_where_a_folder_lies_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fixtures.folder(tmp_path / "one" / "pets", per_pair=1)
    shutil.copytree(root, tmp_path / "two" / "pets")
    runs = [with_data(root), with_data(tmp_path / "two" / "pets")]
    monkeypatch.chdir(tmp_path / "two")
    runs.append(with_data(Path("pets")))
    assert len({run.id for run in runs}) == 1
    entry = runs[0].spec()[ENTRY]
    assert set(entry["files"]) == {"task.data"} and runs[0].identity.places == ("task.data.root",)


def test_a_folder_that_cannot_be_read_has_an_id_of_its_own(tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path / "pets", per_pair=1)
    whole = with_data(root)
    name = whole.id
    shutil.rmtree(root)
    run = with_data(root)
    assert run.id != name and run.identity.settings == whole.identity.settings
    assert run.identity.changed_since(whole.spec()) == ["files of task.data (not here)"]


def test_partition_lists_and_starting_weights_count_by_content(tmp_path: Path) -> None:
    def ids(task: dict[str, Any]) -> str:
        return now({"task": task}).id

    for number, content in enumerate(([[0, 1]], [[0, 1]], [[1, 0]])):
        (tmp_path / f"{number}.json").write_text(str(content))
        (tmp_path / f"{number}.pt").write_bytes(bytes(content[0]))
    found = {
        use: [ids(task(tmp_path, number)) for number in range(3)]
        for use, task in {
            "lists": lambda f, n: {"partition": {"use": "lists", "file": str(f / f"{n}.json")}},
            "small": lambda f, n: {"model": {"use": "small", "init": str(f / f"{n}.pt")}},
            "resnet18": lambda f, n: {"model": {"use": "resnet18", "init": str(f / f"{n}.pt")}},
        }.items()
    }
    for one, two, three in found.values():
        assert one == two != three
    assert found["small"][0] != ids({"model": "small"})
    assert found["small"][0] != found["resnet18"][0]


# --- the user's components ------------------------------------------------------------------------

FAMILY_OF = {
    "federation.aggregator": "strategies.rules.fedavg:FedAvg",
    "federation.byzantine": "fedgroup.attacks.updates.independent:SignFlip",
    "task.attack": "fedgroup.attacks.backdoor:Backdoor",
    "task.data": "fedgroup.data.synthbirds:Synthbirds",
    "task.partition": "fedgroup.partitions.iid:Iid",
    "task.model": "fedgroup.model:Small",
    "method": "fedgroup.methods.erm:ERM",
}


@pytest.mark.parametrize("place", FAMILY_OF)
def test_an_edit_of_a_users_component_changes_the_id(place: str, tmp_path: Path) -> None:
    base, name = FAMILY_OF[place].split(":")
    text = (
        f"from dataclasses import dataclass\nimport help_b\nfrom {base} import {name}\n"
        f"@dataclass(frozen=True)\nclass Mine({name}):\n    extra: int = 1\n"
    )
    head, _, rest = place.partition(".")
    spec = {head: {rest: "mine_b:Mine"} if rest else "mine_b:Mine"}
    write(tmp_path, {"mine_b.py": text, "help_b.py": ""})
    with importable(tmp_path) as forget:
        first = now(spec)
        assert set(first.spec()[ENTRY]["code"]) == {"mine_b.py", "help_b.py"}
        for file, new in (("mine_b.py", text.replace("= 1", "= 2")), ("help_b.py", "x = 1")):
            (tmp_path / file).write_text(new)
            forget()
            run = now(spec)
            assert run.id != first.id
            assert run.identity.changed_since(first.spec()) == [file]
            first = run
    copy = shutil.copytree(tmp_path, tmp_path / "moved")
    with importable(copy):
        assert Experiment.of(spec).id == first.id


def test_an_edit_of_a_strategy_that_a_setting_names(tmp_path: Path) -> None:
    write(tmp_path, {"strat_b.py": RULE})
    rule = {"use": "flower", "strategy": "strat_b:Rule", "options": {"why": "strat_b:Rule"}}
    with importable(tmp_path) as forget:
        first = now({"federation": {"aggregator": rule}})
        (tmp_path / "strat_b.py").write_text(RULE + "# edited\n")
        forget()
        run = now({"federation": {"aggregator": rule}})
        assert run.identity.changed_since(first.spec()) == ["strat_b.py"] and run.id != first.id


def test_files_that_a_users_component_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = "root: str = ''\n    table: str = ''\n    word: str = ''\n"
    text = RULE.replace("share: float = 0.5\n", f"share: float = 0.5\n    {fields}")
    write(tmp_path, {"files_b.py": text, "bare/x.bin": "1", "t.csv": "1", "word": "1"})
    monkeypatch.chdir(tmp_path)
    rule = {"use": "files_b:Rule", "root": "bare", "table": "t.csv", "word": "word"}

    def run() -> Experiment:
        return now({"federation": {"aggregator": rule}})

    with importable(tmp_path):
        before = run()
        assert before.identity.places == (
            "federation.aggregator.root",
            "federation.aggregator.table",
        )
        for name, counts in (("bare/x.bin", True), ("t.csv", True), ("word", False)):
            (tmp_path / name).write_text("2")
            assert (run().id != before.id) == counts, name
            before = run()


# --- versions and defaults ------------------------------------------------------------------------

RESTS_ON = {
    "fedgroup.train": [{}, {"method": "erm"}, {"task": {"attack": "dlbd"}}],
    "strategies.server": [{}, {"task": {"attack": "dlbd"}}],
    "fedgroup.methods": [{"method": "erm"}, {"method": "jtt"}],
    "fedgroup.methods.jtt": [{"method": "jtt"}],
    "strategies.rules": [{}, {"federation": {"aggregator": "krum"}}],
    "strategies.rules.krum": [{"federation": {"aggregator": "krum"}}],
    "fedgroup.attacks": [{"task": {"attack": "dlbd"}}],
    "fedgroup.attacks.updates": [{"federation": {"byzantine": "alie"}}],
    "fedgroup.data": [{}, {"method": "erm"}],
    "fedgroup.model": [{}],
    "fedgroup.partitions": [{}],
}
UNTOUCHED = {
    "strategies.server": {"method": "erm"},
    "fedgroup.methods": {},
    "fedgroup.methods.jtt": {"method": "erm"},
    "strategies.rules.krum": {},
    "fedgroup.attacks": {},
    "fedgroup.attacks.updates": {"task": {"attack": "dlbd"}},
}


@pytest.mark.parametrize("name", RESTS_ON)
def test_a_raised_results_version_changes_the_ids_that_rest_on_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [Experiment.of(spec) for spec in RESTS_ON[name]]
    assert all(not run.spec().get(ENTRY) for run in before)
    other = UNTOUCHED.get(name)
    kept = None if other is None else Experiment.of(other).id
    monkeypatch.setitem(module.RESULTS_VERSION, name, 2)
    for spec, old in zip(RESTS_ON[name], before, strict=True):
        run = Experiment.of(spec)
        assert run.id != old.id
        words = [f"fedgroup's results_version of {name}"]
        assert run.identity.changed_since(old.spec()) == words
    assert other is None or Experiment.of(other).id == kept


def test_what_stages_and_poisons_are_kept_under(monkeypatch: pytest.MonkeyPatch) -> None:
    assert beyond_settings(Krum()) == {} and content_digest(Krum()) == ""
    monkeypatch.setitem(module.RESULTS_VERSION, "strategies.rules", 3)
    assert beyond_settings(Krum()) == {"versions": {"strategies.rules": 3}}
    assert len(content_digest(Krum())) == 12


def test_a_changed_default_is_named_and_a_new_setting_is_not() -> None:
    stored = {"task": {"train": {"lr": 0.1}, "data": {"root": "/a"}, "seed": 0}}
    wanted = {
        "task": {"train": {"lr": 0.2, "mu": 0.0}, "data": {"root": "/b"}, "seed": 0},
        ENTRY: {},
    }
    assert spec_changes(stored, wanted, ["task.data.root"]) == ["task.train.lr was 0.1, is 0.2 now"]
    assert len(spec_changes(stored, wanted)) == 2
    assert spec_changes(wanted, wanted) == []


def test_without_takes_out_what_is_there_and_nothing_else() -> None:
    settings = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert without(settings, ["a.c.d", "e", "x", "a.y.z", "e.f"]) == {"a": {"b": 1, "c": {}}}
    assert settings == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}


def test_an_entry_is_the_whole_of_a_name() -> None:
    one = Identity("abc", {"a.py": "1"}, {"task.data": "2"}, {"fedgroup.train": 2})
    names = {
        one.id,
        Identity("abd", one.code, one.files, one.versions).id,
        Identity("abc", {"a.py": "2"}, one.files, one.versions).id,
        Identity("abc", {"b.py": "1"}, one.files, one.versions).id,
        Identity("abc", one.code, {"task.data": "3"}, one.versions).id,
        Identity("abc", one.code, one.files, {"fedgroup.train": 3}).id,
        Identity("abc", {}, {}, {}).id,
    }
    assert len(names) == 7 and "abc" in names
    assert {len(name) for name in names} == {3, 12}
