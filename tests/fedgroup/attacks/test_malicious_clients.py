"""Who holds the poisons: everybody, or a chosen share of malicious clients, apart from who holds the minority."""

from typing import Any

import numpy as np
import pytest

from fedgroup.attacks.malicious_clients import Attackers
from fedgroup.errors import FedgroupError
from fedgroup.spec import build
from fedgroup.task import (
    Task,
    assign_clients,
    attack_success,
    load_splits,
    malicious_clients,
    prepared_splits,
)


def task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "data": {"use": "tests.toy:ToyData", "scale": 4},
        "model": "tests.toy:ToyModel",
        "attack": {"use": "dlbd", "fraction": 0.05, "side": 2, "gap": 0},
        "partition": {
            "use": "minority_holders",
            "clients": 16,
            "holder_fraction": 0.25,
            "balance": "additive",
        },
    }
    return build(Task, values | changes, "task")


def poisons(found: Task) -> np.ndarray:
    train = prepared_splits(found).train
    return np.array([int(train.poison[part].sum()) for part in assign_clients(found)])


def test_poisons_are_spread_over_all_clients_within_one() -> None:
    spread = poisons(task())
    assert spread.sum() == 16  # floor(0.05 * 320)
    assert spread.tolist() == [1] * 16


def test_malicious_clients_hold_them_all() -> None:
    for among in ("any", "holders", "others"):
        chosen = task(attackers={"fraction": 0.125, "among": among})
        bad = malicious_clients(chosen)
        assert len(bad) == 2
        assert set(np.flatnonzero(poisons(chosen))) == set(bad)
        assert poisons(chosen)[list(bad)].tolist() == [8, 8]


def test_overlapping_and_disjoint_with_the_minority() -> None:
    train = load_splits(task().data).train
    rare = np.isin(train.group, [1, 2])
    pairs = set()
    for seed in range(3):
        shards = assign_clients(task(inject=False, seed=seed))
        holds = {c for c, part in enumerate(shards) if rare[part].any()}
        assert len(holds) == 4
        holders, others = (
            malicious_clients(task(attackers={"fraction": 0.125, "among": among}, seed=seed))
            for among in ("holders", "others")
        )
        assert len(holders) == len(others) == 2
        assert set(holders) <= holds, seed
        assert not set(others) & holds, seed
        pairs |= {holders, others}
    assert len(pairs) > 2  # drawn anew with each seed


def test_clean_samples_stay_where_they_are_under_attack() -> None:
    clean = assign_clients(task(inject=False))
    for attackers in ({}, {"fraction": 0.25}):
        attacked = task(attackers=attackers)
        train = prepared_splits(attacked).train
        for before, after in zip(clean, assign_clients(attacked), strict=True):
            assert np.array_equal(before, after[~train.poison[after]])


def test_same_poisons_in_every_run_unless_redrawn() -> None:
    def bases(**changes: Any) -> Any:
        return prepared_splits(task(**changes)).train.extra

    assert bases(seed=0).equal(bases(seed=1))
    assert not bases(attack_seed=None, seed=0).equal(bases(attack_seed=None, seed=1))
    assert bases(attack_seed=3).equal(bases(attack_seed=None, seed=3))


def test_success_is_measured_with_and_without_poisons() -> None:
    def always(y: int) -> Any:
        return lambda view: np.full(len(view), y)

    for inject in (True, False):
        found = attack_success(
            task(inject=inject), always(0)
        )  # the right class: the trigger changes nothing
        assert found is not None
        assert (sum(found.correct), sum(found.total)) == (0, 80)
    assert attack_success(task(attack="none"), always(0)) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"attackers": {"fraction": 1.0}},
            r"fraction of malicious clients must lie in \[0, 1\), got 1.0",
        ),
        ({"attackers": {"among": "others"}}, "their fraction is 0: set it too"),
        ({"attackers": {"fraction": 0.2, "among": "nobody"}}, "'any', 'holders' or 'others'"),
        ({"attack_seed": -1}, "attack_seed must be at least 0 or null"),
        ({"attack": "dlbdd"}, "did you mean 'dlbd'"),
    ],
)
def test_bad_settings_are_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        task(**changes)


def test_too_few_candidates_are_refused() -> None:
    with pytest.raises(
        FedgroupError, match="among: holders leaves 4 of 16 clients, 8 malicious ones are asked"
    ):
        malicious_clients(task(attackers={"fraction": 0.5, "among": "holders"}))


def test_defaults_are_honest() -> None:
    assert Attackers().choose([np.arange(3)], load_splits(task().data).train, 0) == ()
    assert malicious_clients(task()) == ()
