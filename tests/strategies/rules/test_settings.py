"""Settings that make no sense are refused."""

import math
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import pytest

from experiments.experiment import Experiment
from fedgroup.errors import FedgroupError
from fedgroup.identity.settings_id import settings_id
from strategies.rules.bucketing import Bucketing
from strategies.rules.byzfl_rule import ByzflRule
from strategies.rules.centred_clipping import CentredClipping
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.fltrust import FLTrust
from strategies.rules.geometric_median import GeometricMedian
from strategies.rules.krum import Krum, MultiKrum
from strategies.rules.nnm import NNM
from strategies.rules.norm_clipping import NormClipping
from strategies.rules.server_optimisers import FedAdam, FedAvgM
from tests.strategies.rules.vectors import ZERO, everyone, step
from tests.toy import experiment


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Krum(-1), "f must be at least 0"),
        (lambda: MultiKrum(m=0), "m at least 1"),
        (lambda: NormClipping(0.0), "bound must be positive"),
        (lambda: CentredClipping(tau=-1.0), "must be positive"),
        (lambda: GeometricMedian(iterations=0), "must be positive"),
        (lambda: Bucketing(s=0), "s must be at least 1"),
        (lambda: NNM(f=-1), "f must be at least 0"),
        (lambda: FLTrust(root_size=0), "root_size must be at least 1"),
        (lambda: FedAvgM(beta=1.0), "beta must lie in"),
        (lambda: FedAdam(lr=0.0), "lr must be positive"),
        (lambda: step(Krum(2), [ZERO] * 6), "Krum needs at least 7 clients, this round has 6"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()


def numeric(rule: Any) -> list[tuple[Any, str, bool]]:
    """The rule's numeric settings and whether they are counts; a seed may be any whole number."""
    hints = {name: {hint, *get_args(hint)} for name, hint in get_type_hints(type(rule)).items()}
    return [
        (rule, field.name, float not in hints[field.name])
        for field in fields(rule)
        if hints[field.name] & {int, float} and field.name != "seed"
    ]


@pytest.mark.parametrize(
    ("rule", "name", "count"),
    [entry for rule in [*everyone(), ByzflRule()] for entry in numeric(rule)],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_numeric_setting_refuses_what_is_no_number(rule: Any, name: str, count: bool) -> None:
    for value in (math.nan, math.inf, -math.inf, -1 if count else -1.0):
        with pytest.raises(FedgroupError):
            replace(rule, **{name: value})
    if count:
        with pytest.raises(FedgroupError):
            replace(rule, **{name: 1.5})


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": 1}])
def test_options_must_be_plain_finite_values(value: Any) -> None:
    for make in (
        lambda: FlowerRule(options={"share": value}),
        lambda: ByzflRule(options={"f": value}),
    ):
        with pytest.raises(FedgroupError, match="options must be"):
            make()
    with pytest.raises(FedgroupError, match="got f: True"):
        ByzflRule(options={"f": True})


def settings_of(run: Experiment) -> str:
    return settings_id({"task": run.task, "federation": run.federation})


def test_options_as_a_mapping_are_the_pairs_they_were() -> None:
    """A spec stores pairs, and equal options make equal runs, however they are written."""
    spec = {"use": "flower", "strategy": "flwr.serverapp.strategy:MultiKrum"}
    pairs = [["num_malicious_nodes", 2], ["num_nodes_to_select", 5]]
    options: list[Any] = [pairs, dict(pairs), dict(reversed(pairs))]
    runs = [
        Experiment.of(experiment(federation__aggregator={**spec, "options": o})) for o in options
    ]
    assert len({run.id for run in runs}) == 1
    # the settings' part of the id is as it was when only pairs were read
    assert {settings_of(run) for run in runs} == {"22b36fb210dc"}
    stored = runs[1].to_dict()["federation"]["aggregator"]["options"]
    assert [list(pair) for pair in stored] == pairs
    byzfl = [
        settings_of(
            Experiment.of(experiment(federation__aggregator={"use": "byzfl", "options": o}))
        )
        for o in ([["f", 3]], {"f": 3})
    ]
    assert byzfl == ["c1f072588ea1"] * 2
