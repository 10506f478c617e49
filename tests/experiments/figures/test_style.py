"""What all figures share."""

from pathlib import Path

from tests.experiments.finished_runs import TABLE, table


def test_colours_are_one_per_method_in_every_table(tmp_path: Path) -> None:
    from experiments.figures.style import METHODS, colours

    made = table(tmp_path, "[0]")
    assert colours(made)["Median"] == METHODS["Median"]
    text = (
        TABLE.replace("{METHOD: FedAvg}", "{T: 1}")
        .replace("{METHOD: Median}", "{T: 10}")
        .replace('{METHOD: "<i>T&C_5%</i>"}', "{T: 2}")
    )
    ordered = colours(table(tmp_path, "[0]", text))
    assert len(set(ordered.values())) == 3
    assert not set(ordered.values()) & set(METHODS.values()), "numbers get shades"
