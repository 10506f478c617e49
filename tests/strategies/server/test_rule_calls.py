"""What a rule is given cannot be written to, and what it gives back is checked by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.run import run
from fedgroup.errors import FedgroupError
from strategies.server.rule_calls import RuleCalls
from tests.strategies.server.runs import make, records
from tests.toy import MeanOfTwo

THETA = np.zeros(4, np.float32)
CLIENTS = [np.full(4, value, np.float32) for value in (1, 3)]
WEIGHTS = np.ones(2)

Answer = Callable[[Any, Any, Any, Any], Any]


def writes_theta(state: Any, theta: Any, clients: Any, weights: Any) -> Any:
    theta += 1
    return theta, state


def writes_state(state: Any, theta: Any, clients: Any, weights: Any) -> Any:
    state["memory"] += 1
    return clients[0].copy(), state


def draws(state: Any, theta: Any, clients: Any, weights: Any) -> Any:
    noise = np.random.normal(size=4) + float(torch.rand(()))  # noqa: NPY002
    return (theta + noise).astype(np.float32), state


ANSWERS: dict[str, Answer] = {
    "theta": writes_theta,
    "client": lambda s, t, c, w: (np.add(c[0], 1, out=c[0]), s),
    "weights": lambda s, t, c, w: (np.multiply(w, 2, out=w)[:1], s),
    "state": writes_state,
    "rows": lambda s, t, c, w: (np.stack(c)[:1].astype(np.float64), s),
    "none": lambda s, t, c, w: None,
    "alone": lambda s, t, c, w: c[0],
    "nan": lambda s, t, c, w: (c[0] * np.float32("nan"), s),
    "list state": lambda s, t, c, w: (c[0], [1]),
    "object state": lambda s, t, c, w: (c[0], {"memory": np.array([{}])}),
    "raises": lambda s, t, c, w: c[7],
    "same": lambda s, t, c, w: (c[0], s),
    "view": lambda s, t, c, w: (np.tile(c[1], (2, 1)).T[:, 0], s),
    "draws": draws,
}


@dataclass(frozen=True)
class MyRule(MeanOfTwo):
    """Answers with one of the above."""

    how: str = "same"

    def init(self, theta: Any) -> dict[str, Any]:
        return {"memory": np.zeros(2)}

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        return ANSWERS[self.how](state, theta, clients, weights)

    def influence(self, state: Any, theta: Any, clients: Any, weights: Any, new: Any) -> Any:
        return [0.5, 0.5]


def step(how: str) -> Any:
    calls = RuleCalls(MyRule(how=how), 0)
    return calls.step(3, calls.init(THETA), THETA, CLIENTS, WEIGHTS)


@pytest.mark.parametrize("how", ["theta", "client", "weights", "state"])
def test_what_is_passed_in_cannot_be_written_to(how: str) -> None:
    with pytest.raises(
        FedgroupError, match=r"round 3: MyRule.step writes into an array that it was given"
    ):
        step(how)
    assert THETA.tolist() == [0] * 4
    assert [client[0] for client in CLIENTS] == [1, 3]
    assert WEIGHTS.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("rows", r"MyRule.step returned \(1, 4\) float64, expected \(4,\) float32 \(round 3\)"),
        ("none", r"MyRule.step returned None, expected the parameters and the state \(round 3\)"),
        ("alone", r"MyRule.step returned \(4,\) float32, expected the parameters and the state"),
        ("nan", r"MyRule.step returned 4 NaN or infinite values, those of every admitted client"),
        ("list state", r"MyRule.step returned list as its state"),
        ("object state", r"MyRule.step returned state 'memory' of dtype object, which a checkp"),
        ("raises", r"round 3: MyRule.step raised IndexError: list index out of range \(.*calls.py"),
    ],
)
def test_what_comes_back_is_checked_by_the_rules_name(how: str, words: str) -> None:
    with pytest.raises(FedgroupError, match=f"^{words}"):
        step(how)


def test_a_result_in_the_arguments_memory_is_copied() -> None:
    new, state = step("same")
    assert new.tolist() == [1] * 4
    assert not np.shares_memory(new, CLIENTS[0])
    assert state["memory"].tolist() == [0, 0]
    assert step("view")[0].flags.c_contiguous


def test_no_vector_is_copied_on_the_way_in() -> None:
    seen: list[Any] = []

    def looks(state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        seen.extend([theta, *clients, weights])
        return clients[0] + clients[1], state

    ANSWERS["looks"] = looks
    step("looks")
    assert all(
        np.shares_memory(a, b) for a, b in zip(seen, [THETA, *CLIENTS, WEIGHTS], strict=True)
    )


def test_what_a_rule_draws_depends_on_seed_and_round_alone() -> None:
    def at(seed: int, number: int) -> list[float]:
        calls = RuleCalls(MyRule(how="draws"), seed)
        new, _ = calls.step(number, {}, THETA, CLIENTS, WEIGHTS)
        return list(new)

    assert at(0, 1) == at(0, 1)
    assert at(0, 1) != at(0, 2)
    assert at(0, 1) != at(1, 1)


def test_influences_are_checked_by_the_rules_name() -> None:
    with pytest.raises(FedgroupError, match=r"MyRule.influence returned list, expected \(2,\)"):
        RuleCalls(MyRule(), 0).influence({}, THETA, CLIENTS, WEIGHTS, THETA)
    assert RuleCalls(MeanOfTwo(), 0).influence({}, THETA, CLIENTS, WEIGHTS, THETA) is None


@dataclass(frozen=True)
class Noisy(MeanOfTwo):
    """The mean of two and some noise of a global stream."""

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        noise = np.random.normal(size=len(theta)).astype(np.float32)  # noqa: NPY002
        return (clients[0] + clients[1]) / np.float32(2) + noise / 100, state


def test_a_rule_that_draws_from_a_global_stream_repeats_in_a_run(tmp_path: Path) -> None:
    exp = make(
        federation__aggregator="tests.strategies.server.test_rule_calls:Noisy",
        federation__rounds=2,
    )
    one = records(run(exp, tmp_path / "one"))
    np.random.seed()  # noqa: NPY002
    assert records(run(exp, tmp_path / "two")) == one


@dataclass(frozen=True)
class Vague(MeanOfTwo):
    """Does not know how many clients it needs."""

    def min_clients(self) -> int:
        return 2.5  # type: ignore[return-value]


def test_what_a_rule_says_of_itself_is_checked() -> None:
    with pytest.raises(FedgroupError, match=r"Vague.min_clients returned 2.5, expected a whole"):
        make(
            federation__aggregator="tests.strategies.server.test_rule_calls:Vague"
        ).federation.needed()
    with pytest.raises(FedgroupError, match="Silent does not say whether it is coordinate-wise"):
        make(federation__aggregator="tests.strategies.server.test_rule_calls:Silent")


@dataclass(frozen=True)
class Silent:
    """Says nothing of itself."""

    def min_clients(self) -> int:
        return 1

    def init(self, theta: Any) -> dict[str, Any]:
        return {}

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        return clients[0], state
