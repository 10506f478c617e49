"""How numbers are printed."""

import math

from experiments.report.metric_format import cell, headings, metric, number


def test_every_number_is_printed_in_its_unit() -> None:
    assert cell(0.12345, 0.01, metric("entropy HRG").decimals) == "0.123 ± 0.010"
    assert headings(["entropy HRG", "wga"]) == ["HRG (bits)", "WGA"]
    assert headings(["idnf poisons", "elmf poisons", "idnf LRG-1"]) == [
        "IDNF POISONS",
        "ELMF POISONS",
        "LRG-1",
    ]
    assert metric("something new").heading == "SOMETHING NEW"
    assert number(-0.04) == "0.0"
    assert cell(5.0, math.nan) == "5.0"


def test_a_groups_name_stays_as_it_is() -> None:
    assert headings(["group straße_b", "group A b", "wga"]) == ["straße_b", "A b", "WGA"]
