"""Which family a class belongs to is told by its methods; one row per family says the rest."""

import pytest

from experiments.components.families import CHECKED, FAMILIES, LISTED, family_named, family_of
from fedgroup import attacks, data, methods, partitions


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *((path, "sample attack") for path in attacks.NAMES.values()),
        *((path, "update attack") for path in attacks.BYZANTINE_NAMES.values()),
        *((path, "partition") for path in partitions.NAMES.values()),
        *((path, "data set") for path in data.NAMES.values()),
        *((path, "method") for path in methods.NAMES.values()),
        ("fedgroup.model:Small", "model"),
        ("fedgroup.probes.strip_probe:StripProbe", "probe"),
        ("strategies.rules.median:Median", "rule"),
        ("flwr.serverapp.strategy:FedAvg", "Flower strategy"),
    ],
)
def test_a_family_is_told_by_its_methods(path: str, expected: str) -> None:
    assert family_of(path).kind == expected


def test_every_family_has_one_row() -> None:
    kinds = [family.kind for family in FAMILIES]
    assert len(set(kinds)) == len(kinds)
    assert {family_named(kind).kind for kind in kinds} == set(kinds)
    assert {family.place for family in LISTED} >= {"task.data", "federation.aggregator", "method"}
    assert all(family.names for family in (*LISTED, *CHECKED))
