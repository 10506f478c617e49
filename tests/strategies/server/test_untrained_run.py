"""A run in which nothing was trained is not done; what came before the first training is out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message, MetricRecord

from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import read_lines, status
from fedgroup.storage import read_json
from fedgroup.update import METRICS
from tests.strategies.server.runs import federate_with, make, records, spoil_theta

NAN = spoil_theta(float("nan"))


def test_a_run_whose_every_reply_is_rejected_is_not_done(tmp_path: Path) -> None:
    exp = make(federation__max_norm=1e-9)
    folder = tmp_path / exp.id
    for _ in range(2):  # run again tries again, from the start
        with pytest.raises(
            FedgroupError,
            match=r"all 3 rounds failed, nothing was trained; the last one: 0 valid replies of 4, "
            r"1 needed \(client \d: update norm .* exceeds the bound 1e-09\); mend the cause",
        ):
            run(exp, tmp_path)
        assert status(folder) == "failed"
        assert "all 3 rounds failed" in (folder / "error.txt").read_text()
        assert not (folder / "result.json").exists() and not (folder / "checkpoint.npz").exists()
        assert not (folder / "best.npz").exists()
        assert [row["round"] for row in read_lines(folder, "rounds")] == [0, 1, 2, 3]


def test_run_again_after_a_cause_that_is_gone_equals_a_run_without_it(tmp_path: Path) -> None:
    exp = make()
    with pytest.raises(FedgroupError, match="all 3 rounds failed"):
        federate_with(lambda number, client, reply: NAN(reply), exp, tmp_path / "again")
    again = run(exp, tmp_path / "again")
    assert status(again) == "done"
    assert records(again) == records(run(exp, tmp_path / "plain"))


def test_the_model_of_a_failed_first_round_is_not_the_best(tmp_path: Path) -> None:
    """Its WGA is that of the start, whatever that is."""

    def meddle(number: int, client: int, reply: Message) -> Message:
        return NAN(reply) if number == 1 else reply

    exp = make()
    folder = federate_with(meddle, exp, tmp_path)
    result = read_json(folder / "result.json")
    assert result["selection"]["best_val_wga"]["round"] > 1
    assert result["selection"]["last10"]["rounds"] == [2, 3]
    assert result["failed_rounds"] == 1
    with np.load(folder / "best.npz") as best, np.load(folder / "checkpoint.npz") as last:
        if result["selection"]["best_val_wga"]["round"] == 3:
            assert np.array_equal(best["theta"], last["theta"])


def test_a_loss_that_is_no_number_is_counted(tmp_path: Path) -> None:
    def meddle(number: int, client: int, reply: Message) -> Message:
        values: dict[str, Any] = dict(reply.content.metric_records[METRICS])
        if number == 2:
            reply.content[METRICS] = MetricRecord(values | {"loss": float("nan")})
        return reply

    exp = make()
    folder = federate_with(meddle, exp, tmp_path / "nan")
    assert [row.get("without_loss") for row in read_lines(folder, "rounds")] == [
        None,
        None,
        4,
        None,
    ]
    assert read_json(folder / "result.json")["flags"]["rounds_without_loss"] == 1
    plain = run(exp, tmp_path / "plain")
    assert "rounds_without_loss" not in read_json(plain / "result.json")["flags"]


def test_a_finished_run_is_left_alone_and_a_damaged_one_refused(tmp_path: Path) -> None:
    exp = make(federation__rounds=1)
    folder = run(exp, tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    run(exp, tmp_path)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "rounds.jsonl").write_bytes(b"")
    with pytest.raises(FedgroupError, match=r"rounds.jsonl is not the file .* delete the folder"):
        run(exp, tmp_path)
    assert (folder / "result.json").read_bytes() == before[folder / "result.json"]
