"""What a model is evaluated by after a round: counts, the attack's hits, the best so far."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedgroup import evaluator
from fedgroup.evaluator import Evaluator, remembering
from fedgroup.model import build_model
from fedgroup.predict import predict
from fedgroup.runs.checkpoint import Checkpoint
from fedgroup.runs.run_directory import open_run
from fedgroup.task import attack_success, prepared_splits
from tests.toy import one_bank, task

CPU = torch.device("cpu")


def test_known_test_images_are_not_predicted_again():
    train, _, test = one_bank()
    known = np.arange(40) % 2
    asked = []

    def classes(view):
        asked.append(len(view))
        return np.full(len(view), 7)

    answer = remembering(classes, test, known)
    positions = np.array([3, 39, 3, 0])
    assert answer(test.take(positions)).tolist() == known[positions].tolist()
    assert answer(test.take(positions[:0])).tolist() == []
    assert not asked
    altered = [
        replace(test, bank=test.bank.clone()),
        replace(test, extra=test.bank[:1]),
        replace(test, info=replace(test.info, mean=(0.0, 0.0, 0.0))),
        train,  # in the same bank, at other rows
    ]
    assert all((answer(view) == 7).all() for view in altered)
    assert asked == [40, 40, 40, len(train)]


@pytest.mark.parametrize("attack", ["dlbd", "sa"])
def test_the_attack_counts_what_it_counts_without_a_memory(attack, tmp_path, monkeypatch):
    only, device = task(attack), CPU
    model = build_model(
        only.model, 2, 4, device
    )  # right on 6 of the attacked class, 5 of them turned
    asked = []

    def counting(net, view, *rest):
        asked.append(len(view))
        return predict(net, view, *rest)

    monkeypatch.setattr(evaluator, "predict", counting)
    with open_run(tmp_path / "run", {}) as run:
        row, val = Evaluator(run, only, device, None)(1, model)
    splits = prepared_splits(only)
    hits = attack_success(only, lambda view: predict(model, view))
    assert row["attack"] == {"hits": list(hits.correct), "total": list(hits.total)}
    assert sum(hits.total) > 0
    assert val.tolist() == predict(model, splits.val).tolist()
    stamped = [sum(hits.total)] if attack == "dlbd" else []
    assert asked == [len(splits.val), len(splits.test), *stamped]


def test_the_first_best_round_is_kept_and_the_start_is_none(tmp_path, monkeypatch):
    only = task()
    model = build_model(only.model, 2, 1, CPU)
    right = prepared_splits(only).val.y
    answers = {"now": right}
    monkeypatch.setattr(
        evaluator, "predict", lambda net, view, *_: np.resize(answers["now"], len(view))
    )
    with open_run(tmp_path / "run", {}) as run:
        evaluate = Evaluator(run, only, CPU, None)
        evaluate(0, model)
        assert evaluate.best == (-1.0, 0) and not (tmp_path / "run" / "best.npz").exists()
        for number, now, best in [
            (1, 1 - right, (0.0, 1)),
            (2, right, (1.0, 2)),
            (3, right, (1.0, 2)),
        ]:
            answers["now"] = now
            evaluate(number, model)
            assert evaluate.best == best
        resumed = Evaluator(run, only, CPU, Checkpoint(3, {}, {"best": [1.0, 2]}))
        assert resumed.best == (1.0, 2)
