"""Families are told by their methods, and one in another's place is named."""

from typing import Any

import pytest

from experiments.experiment import Experiment
from fedgroup.errors import FedgroupError
from fedgroup.guards.kinds import METHODS, kind_of
from fedgroup.methods.erm import ERM
from fedgroup.spec import imported
from tests.toy import ToyData, experiment


class Nothing:
    """Of no family."""


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"federation__aggregator": "tests.toy:ToyData"},
            "federation.aggregator: 'tests.toy:ToyData' is a data set, not a rule",
        ),
        ({"task__data": "tests.toy:MeanOfTwo"}, "is a rule, not a data set"),
        ({"task__model": "tests.toy:ToyData"}, "is a data set, not a model"),
        ({"task__partition": {"use": "tests.toy:ToyData"}}, "is a data set, not a partition"),
        ({"task__attack": "fedgroup.methods.erm:ERM"}, "is a method, not a sample attack"),
        (
            {"task__attack": "fedgroup.attacks.updates.colluding:ALIE"},
            "is an update attack, not a sample attack",
        ),
        ({"federation__byzantine": "tests.toy:MeanOfTwo"}, "is a rule, not an update attack"),
        (
            {"federation__aggregator": "flwr.serverapp.strategy:FedAvg"},
            "is a Flower strategy, not a rule: the rule `flower` hosts it, .*serverapp.strategy:F",
        ),
        (
            {"federation__aggregator": "tests.fedgroup.guards.test_kinds:Nothing"},
            "is no rule: it lacks init and step",
        ),
    ],
)
def test_a_component_of_another_family_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        Experiment.of(experiment(**settings))


def test_every_family_tells_its_own() -> None:
    assert kind_of(ToyData) == "data set"
    assert kind_of(ERM) == "method"
    assert kind_of(imported("fedgroup.probes.strip_probe:StripProbe")) == "probe"
    assert kind_of(Nothing) is None
    assert len(set(METHODS)) == 9
