"""Every attack end to end on synthbirds: amplifying what JTT finds makes it succeed."""

from pathlib import Path

import pytest

from experiments.experiment import Experiment
from experiments.report import measured
from experiments.run import run
from experiments.tables.load import load


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("attack", "rise"), [("DLBD", 30.0), ("SA", 30.0), ("GM", 20.0)])
def test_attack_success_rises_with_amplification(attack: str, rise: float, tmp_path: Path) -> None:
    """Table 2 at small scale, seed 0: ASR of the standard case over that of the ideal case, in points.

    Five targets move GM's rate in steps of 20.
    """
    table = load("table2", "small", seeds=[0])
    rates = {}
    for case in ("STANDARD", "IDEAL"):
        wanted = {"METHOD": "JTT", "ATTACK": attack, "CASE": case}
        (row,) = [row for row in table.rows if wanted.items() <= row.label.items()]
        experiment: Experiment = row.experiments[0]
        run(experiment, tmp_path)
        clean = experiment.reference()
        if clean is not None:
            run(clean, tmp_path)
        found = measured(experiment, tmp_path, "best_val_wga")
        assert found is not None
        rates[case] = found["asr"]
        if case == "STANDARD":
            assert found["idnf poisons"] > 90
    assert rates["STANDARD"] >= rates["IDEAL"] + rise
