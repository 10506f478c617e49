"""Any Flower strategy as a rule."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import read_lines
from strategies.checks.toy_updates import cohort
from strategies.rules.fedavg import FedAvg
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median
from tests.strategies.rules.flower_strategies import HERE, Breaks
from tests.toy import experiment

FLOWER = "flwr.serverapp.strategy:"


class Counting(FlowerFedAvg):
    """A user's strategy with state of its own: the mean, plus the number of rounds seen."""

    seen = 0

    def aggregate_train(
        self, server_round: int, replies: Any
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        self.seen += 1
        arrays, metrics = super().aggregate_train(server_round, replies)
        assert arrays is not None
        from flwr.app import Array

        return ArrayRecord(
            {"theta": Array(arrays["theta"].numpy() + np.float32(self.seen))}
        ), metrics


def one_step(rule: Any, number: int = 0, state: Any = None) -> Any:
    theta, clients, weights = cohort(Median(), number)
    return rule.step(rule.init(theta) if state is None else state, theta, clients, weights)


def test_flowers_median_is_ours_bit_for_bit() -> None:
    theta, clients, weights = cohort(Median())
    ours = Median().step({}, theta, clients, weights)[0]
    assert np.array_equal(one_step(FlowerRule(FLOWER + "FedMedian"))[0], ours)


def test_flowers_average_is_ours_weighted() -> None:
    theta, clients, weights = cohort(Median())
    ours = FedAvg(weighted=True).step({}, theta, clients, weights)[0]
    assert np.allclose(one_step(FlowerRule(FLOWER + "FedAvg"))[0], ours, atol=1e-6)


THETA, CLIENTS, WEIGHTS = cohort(Median())
STACK = np.stack(CLIENTS).astype(np.float64)
SHARES = WEIGHTS / WEIGHTS.sum()


def test_a_wider_or_narrower_float_is_cast_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "strategies.rules.flower_rule"):
        wide = one_step(FlowerRule(HERE + "Wide"))[0]
        half = one_step(FlowerRule(HERE + "Half"))[0]
    assert wide.dtype == half.dtype == np.float32
    np.testing.assert_allclose(wide, SHARES @ STACK + 1, atol=1e-5)
    assert (
        f"{HERE}Wide returned (2000,) float64, expected (2000,) float32: it is cast" in caplog.text
    )
    assert (
        f"{HERE}Half returned (2000,) float16, expected (2000,) float32: it is cast" in caplog.text
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Whole", r"returned \(2000,\) int64, expected \(2000,\) float32: return parameters"),
        ("Column", r"returned \(2000, 1\) float32, expected \(2000,\) float32: return"),
        ("Renamed", r"returned \['weights'\], expected one array 'theta'"),
        ("Listed", "returned list, expected one array 'theta'"),
    ],
)
def test_a_result_that_is_no_model_is_refused(name: str, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        one_step(FlowerRule(HERE + name))


def test_a_wrapper_of_the_users_own_clips_and_draws_noise(no_collecting: None) -> None:
    quiet = FlowerRule(HERE + "Private", {"noise_multiplier": 0.0})
    lengths = np.linalg.norm(STACK - THETA, axis=1)
    clipped = THETA + (STACK - THETA) * np.minimum(1, 0.1 / lengths)[:, None]
    np.testing.assert_allclose(one_step(quiet)[0], SHARES @ clipped, rtol=0, atol=1e-6)


def flower_run(**federation: Any) -> Experiment:
    values = {"rounds": 4, "fraction": 0.5, **federation}
    return Experiment.of(experiment(federation=values))


def test_what_a_strategy_raises_is_one_line_and_the_rounds_before_are_kept(tmp_path: Path) -> None:
    broken = flower_run(aggregator={"use": "flower", "strategy": HERE + "Breaks"})
    Breaks.broken = True
    with pytest.raises(FedgroupError) as caught:
        run(broken, tmp_path / "cut")
    text = str(caught.value)
    assert text.startswith("round 3: ")
    assert f"{HERE}Breaks failed on 4 clients: KeyError: " in text
    assert "of the third round" in text
    assert "\n" not in text
    assert [row["round"] for row in read_lines(tmp_path / "cut" / broken.id, "rounds")] == [0, 1, 2]
    Breaks.broken = False
    folders = [run(broken, tmp_path / name) for name in ("cut", "whole")]
    assert len(read_lines(folders[0], "rounds")) == 5
    for name in ("rounds.jsonl", "clients.jsonl"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_cohort_below_what_a_strategy_waits_for_is_refused_before_anything(
    tmp_path: Path,
) -> None:
    options = {"min_train_nodes": 5}
    many = flower_run(
        aggregator={"use": "flower", "strategy": FLOWER + "FedMedian", "options": options}
    )
    with pytest.raises(FedgroupError, match="needs 5 valid clients per round, but 0.5 of 8"):
        run(many, tmp_path)
    assert not list(tmp_path.rglob("rounds.jsonl"))


def test_the_noise_of_a_strategy_has_an_address(tmp_path: Path, no_collecting: None) -> None:
    """It draws from numpy's global stream: equal in two runs of a seed, another in another seed."""
    rule = {"use": "flower", "strategy": HERE + "Private", "options": {"clients": 4}}
    thetas: list[Any] = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        np.random.seed(len(thetas))  # noqa: NPY002
        values = experiment(
            task__seed=seed, federation={"rounds": 1, "fraction": 0.5, "aggregator": rule}
        )
        with np.load(run(Experiment.of(values), tmp_path / name) / "checkpoint.npz") as stored:
            thetas.append(stored["theta"])
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


def test_fedprox_is_fedavg_with_the_clients_term(tmp_path: Path) -> None:
    """Refused where the clients train without it; else bit for bit the weighted average's twin."""
    prox = {"use": "flower", "strategy": FLOWER + "FedProx", "options": {"proximal_mu": 0.5}}
    with pytest.raises(FedgroupError, match=r"set task.train.proximal_mu=0.5"):
        run(flower_run(aggregator=prox), tmp_path)
    thetas = []
    for mu, rule in ((0.5, prox), (0.5, "average"), (0.0, "average")):
        chosen = {"use": "flower", "strategy": FLOWER + "FedAvg"} if rule == "average" else rule
        values = experiment(
            task__train={"proximal_mu": mu},
            federation={"rounds": 2, "fraction": 0.5, "aggregator": chosen},
        )
        with np.load(run(Experiment.of(values), tmp_path) / "checkpoint.npz") as stored:
            thetas.append(stored["theta"])
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


def test_qfedavg_hears_the_losses_of_the_clients(tmp_path: Path, no_collecting: None) -> None:
    """With q 0.001 it is almost the plain mean; with q 2 the clients' losses decide."""
    runs = []
    for q in (0.001, 2.0):
        options = {"client_learning_rate": 0.01, "q": q}
        rule = {"use": "flower", "strategy": FLOWER + "QFedAvg", "options": options}
        with np.load(
            run(flower_run(aggregator=rule, rounds=1), tmp_path) / "checkpoint.npz"
        ) as stored:
            runs.append(stored["theta"])
    with np.load(run(flower_run(rounds=1), tmp_path) / "checkpoint.npz") as stored:
        plain = stored["theta"]
    assert np.allclose(runs[0], plain, atol=1e-3)
    assert not np.allclose(runs[0], runs[1], atol=1e-4)


def test_the_state_of_a_users_strategy_travels() -> None:
    rule = FlowerRule("tests.strategies.rules.test_flower_rule:Counting")
    plain = one_step(FlowerRule(FLOWER + "FedAvg"))[0]
    first, state = one_step(rule)
    second, after = one_step(rule, state=state)
    assert np.allclose(first, plain + 1, atol=1e-5)
    assert np.allclose(second, plain + 2, atol=1e-5)
    again, _ = one_step(rule, state=state)  # the old state was not touched
    assert np.array_equal(again, second)
    assert int(after["round"]) == 2


def test_a_flower_strategy_runs_in_a_federation(tmp_path: Path) -> None:
    spec = {"use": "flower", "strategy": FLOWER + "FedMedian"}
    folder = run(Experiment.of(experiment(federation__aggregator=spec)), tmp_path)
    twin = run(
        Experiment.of(experiment(federation__aggregator="median", federation__buffers="mean")),
        tmp_path,
    )
    assert [r["val"] for r in read_lines(folder, "rounds")] == [
        r["val"] for r in read_lines(twin, "rounds")
    ]
    with np.load(folder / "checkpoint.npz") as one, np.load(twin / "checkpoint.npz") as two:
        assert np.array_equal(one["theta"], two["theta"])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda: FlowerRule("flwr.serverapp.strategy:FedMedan"), "cannot load the Flower strategy"),
        (lambda: FlowerRule("no.such.module:X"), "cannot load the Flower strategy"),
        (lambda: FlowerRule("FedMedian"), "give my_pkg.mod:Class"),
        (lambda: FlowerRule("pathlib:Path"), "is not a Flower strategy"),
        (lambda: FlowerRule(FLOWER + "FedMedian", (("nonsense", 1),)), "refuses its options"),
    ],
)
def test_bad_flower_strategies_are_one_clear_line(rule: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        one_step(rule())
