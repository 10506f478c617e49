"""The contract of every family: ours hold it, and each check catches what it is there for."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.components.families import family
from fedgroup import attacks, data, methods
from fedgroup.attacks.attack import insert
from fedgroup.attacks.none import NoAttack
from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.method import check_method
from fedgroup.checks.partition import check_partition
from fedgroup.checks.runner import Answer
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.checks.toy_data import ContractData
from fedgroup.checks.update_attack import check_update_attack
from fedgroup.group_metrics import Counts
from fedgroup.methods.erm import ERM
from fedgroup.methods.identification import error_set
from fedgroup.methods.jtt import JTT
from fedgroup.methods.method import Method
from fedgroup.partitions import partition
from fedgroup.spec import resolve
from tests.paths import ROOT


def failed(answers: Iterator[Answer]) -> dict[str, str]:
    """Checks that failed and what was seen."""
    return {name: seen for name, _, seen in answers if seen is not None}


@pytest.mark.parametrize("name", ["dlbd", "sa"])
def test_our_sample_attacks(name: str) -> None:
    assert failed(check_sample_attack(resolve(attacks.NAMES, name)())) == {}


@pytest.mark.parametrize("name", attacks.BYZANTINE_NAMES)
def test_our_update_attacks(name: str) -> None:
    assert failed(check_update_attack(resolve(attacks.BYZANTINE_NAMES, name)())) == {}


@pytest.mark.parametrize(
    "name", [name for name in partition.NAMES if name not in ("lists", "flwr_datasets")]
)
def test_our_partitions(name: str) -> None:
    assert failed(check_partition(resolve(partition.NAMES, name)())) == {}


def test_our_data_set() -> None:
    assert failed(check_dataset(ContractData())) == {}


@pytest.mark.parametrize("method", [ERM(), JTT(identify_epochs=2, upsample=3)])
def test_our_methods(method: Any) -> None:
    assert failed(check_method(method)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", methods.NAMES)
def test_our_methods_at_their_defaults(name: str) -> None:
    assert failed(check_method(resolve(methods.NAMES, name)())) == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *((path, "sample attack") for path in attacks.NAMES.values()),
        *((path, "update attack") for path in attacks.BYZANTINE_NAMES.values()),
        *((path, "partition") for path in partition.NAMES.values()),
        *((path, "data set") for path in data.NAMES.values()),
        *((path, "method") for path in methods.NAMES.values()),
        ("fedgroup.model:Small", "model"),
        ("fedgroup.probes.strip_probe:StripProbe", "probe"),
        ("strategies.rules.median:Median", "rule"),
        ("flwr.serverapp.strategy:FedAvg", "Flower strategy"),
    ],
)
def test_a_family_is_told_by_its_methods(path: str, expected: str) -> None:
    assert family(path) == expected


# --- attacks on samples ----------------------------------------------------------------------------


@dataclass(frozen=True)
class CarelessAttack:
    """Breaks nearly everything: global randomness, unmarked poisons, a poisoned test split."""

    fraction: float = 0.1

    def poison(self, splits: Any, rng: Any) -> Any:
        chosen = np.random.default_rng().random(len(splits.train)) < 0.1
        y = np.where(chosen, 1 - splits.train.y, splits.train.y)
        return splits._replace(
            train=replace(splits.train, y=y), test=splits.test.keep(splits.test.y == 0)
        )

    def success(self, predict: Any, splits: Any, rng: Any) -> Any:
        return Counts((3, 3), (3, 3))


@dataclass
class OutOfRange:
    """Poisons of a class that does not exist, in settings that can change."""

    def poison(self, splits: Any, rng: Any) -> Any:
        return splits._replace(train=insert(splits.train, np.arange(5), 7))

    def success(self, predict: Any, splits: Any, rng: Any) -> Any:
        return NoAttack().success(predict, splits, rng)


def test_careless_sample_attacks_are_caught() -> None:
    seen = failed(check_sample_attack(CarelessAttack()))
    assert "test split is no longer clean" in seen["training_part_only"]
    assert "no sample is marked as poison" in seen["poisons_are_marked"]
    assert "draw from the generator" in seen["seeds_repeat"]
    assert "counts of 2 groups, expected 4" in seen["success_is_counted"]
    assert "insert" in seen["poisoned_data_refused"]
    assert "nan was taken" in seen["settings_are_checked"]
    seen = failed(check_sample_attack(OutOfRange()))
    assert "labels 0..7, expected 0..1" in seen["identity_is_kept"]
    assert "no test sample counts" in seen["success_is_counted"]
    assert "frozen=True" in seen["frozen_settings"]
    assert set(seen) == {"frozen_settings", "identity_is_kept", "success_is_counted"}


# --- attacks on updates ----------------------------------------------------------------------------


@dataclass(frozen=True)
class CarelessForger:
    """Writes to what it is given, forgets an attacker, answers in float64."""

    def init(self, size: int) -> dict[str, Any]:
        return {"round": 0}

    def forge(self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None) -> Any:
        state["round"] += 1
        return [delta.astype(np.float64) for delta in own[1:]], state


@dataclass(frozen=True)
class Overwriter:
    """Negates in place."""

    def init(self, size: int) -> dict[str, Any]:
        return {}

    def forge(self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None) -> Any:
        for delta in own:
            delta *= -1
        return list(own), state


def test_careless_update_attacks_are_caught() -> None:
    seen = failed(check_update_attack(CarelessForger()))
    assert "2 deltas for 3 attackers" in seen["shape_and_dtype"]
    assert "inputs_untouched" in seen
    assert "no_attackers" in seen
    assert "written to" in failed(check_update_attack(Overwriter()))["inputs_untouched"]


# --- partitions ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dealt:
    """Whatever the test says, to ten clients."""

    deal: Callable[[int, int], list[Any]]

    def assign(self, train: Any, seed: int) -> list[Any]:
        return self.deal(len(train), seed)


@pytest.mark.parametrize(
    ("deal", "check", "words"),
    [
        (lambda n, _: [np.arange(n)] * 2, "disjoint_positions", "is dealt to clients 0 and 1"),
        (lambda n, _: [np.arange(n) + 1], "disjoint_positions", "do not all exist"),
        (lambda n, _: [np.arange(n)[::-1]], "disjoint_positions", "not sorted"),
        (lambda n, _: [list(range(n))], "disjoint_positions", "got a list"),
        (
            lambda n, _: np.array_split(np.arange(n), 10),
            "empty_shards_named",
            "client 3 of 10 got none",
        ),
        (
            lambda n, _: [np.sort(np.random.default_rng().permutation(n)[:9])],
            "seeds_repeat",
            "seeding.rng",
        ),
    ],
)
def test_careless_partitions_are_caught(deal: Any, check: str, words: str) -> None:
    assert words in failed(check_partition(Dealt(deal)))[check]


# --- data sets -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """The contract's data with one thing wrong in its training split."""

    wrong: str

    def load(self) -> Any:
        splits = ContractData().load()
        train, info = splits.train, splits.train.info
        changes: dict[str, Any] = {
            "group": {"group": 3 - train.group},
            "label": {"y": train.y + 5},
            "bank": {"bank": train.bank.to(torch.float32)},
            "index": {"index": np.zeros_like(train.index)},
            "poison": {"poison": ~train.poison},
            "row": {"row": train.row + len(train)},
            "tier": {"info": replace(info, tiers={"LRG-1": (9,)})},
            "std": {"info": replace(info, std=(0.0, 0.2, 0.2))},
            "leak": {"bank": splits.test.bank, "row": train.row % len(splits.test)},
            "random": {"y": np.random.default_rng().integers(0, 2, len(train))},
        }
        changed = replace(train, **changes[self.wrong])
        return splits._replace(
            train=changed,
            val=replace(splits.val, info=changed.info),
            test=replace(splits.test, info=changed.info),
        )


@pytest.mark.parametrize(
    ("wrong", "check", "words"),
    [
        ("group", "labels_and_groups", "2*y + a"),
        ("label", "labels_and_groups", "labels 5..6 in train"),
        ("bank", "pictures", "store pictures as torch.uint8"),
        ("index", "identity", "an index occurs twice in train"),
        ("poison", "identity", "marked as poison"),
        ("row", "pictures", "rows 1200..2399 of train in a bank of 1200"),
        ("tier", "tiers", "tiers name group [9]"),
        ("std", "normalisation", "must lie in (0, 1]"),
        ("leak", "identity", "200 pictures in both train and test"),
        ("random", "loads_repeat", "y of train differs between two loads"),
    ],
)
def test_careless_data_sets_are_caught(wrong: str, check: str, words: str) -> None:
    assert words in failed(check_dataset(Broken(wrong)))[check]


# --- methods ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cheat(Method):
    """Finds by poison marks, which no defender has, and trains on the test split too."""

    def run(self, splits: Any, trainer: Any) -> None:
        train = splits.train
        trainer.record("eliminate", 0, train.poison, train.poison)
        trainer.train(splits.test)


@dataclass(frozen=True)
class Idle(Method):
    """Forgets the final model."""

    def run(self, splits: Any, trainer: Any) -> None:
        error_set(np.zeros(len(splits.train), np.int64), splits.train)


def test_careless_methods_are_caught() -> None:
    seen = failed(check_method(Cheat()))
    assert set(seen) == {"test_is_not_touched", "marks_find_nothing"}
    assert "use splits.train and splits.val alone" in seen["test_is_not_touched"]
    assert "depends on poison marks" in seen["marks_find_nothing"]
    assert "without a final model" in failed(check_method(Idle()))["one_final_model"]


# --- the examples that newcomers copy --------------------------------------------------------------


EXTEND = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, Callable[[Any], Iterator[Answer]]] = {
    "my_attack:NextLabel": check_sample_attack,
    "my_update:Sleeper": check_update_attack,
    "my_method:DropErrors": check_method,
    "my_data:Squares": check_dataset,
}


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_examples_hold_the_contract(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = path.split(":")
    (tmp_path / f"{module}_held.py").write_text(
        EXTEND.split(f"```python\n# {module}.py\n")[1].split("```")[0]
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    component = getattr(importlib.import_module(f"{module}_held"), name)()
    assert failed(EXAMPLES[path](component)) == {}
