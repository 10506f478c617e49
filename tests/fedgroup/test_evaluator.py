"""What a model is measured by after a round: counts, the attack's hits, the best so far; and where images live."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedgroup import dataset as dataset_module
from fedgroup import evaluator
from fedgroup.dataset import Splits, image_bytes, place
from fedgroup.errors import FedgroupError
from fedgroup.evaluator import Evaluator, remembering
from fedgroup.model import build_model
from fedgroup.model_selection import summary
from fedgroup.predict import predict
from fedgroup.run_directory import Checkpoint, open_run
from fedgroup.spec import build
from fedgroup.task import Task, attack_success, placed_splits, prepared_splits
from tests.toy import ToyData, ToyModel

CPU = torch.device("cpu")


def task(attack="dlbd", **changes):
    settings = {"use": attack, "fraction": 0.1} | (
        {"side": 3, "gap": 0} if attack == "dlbd" else {}
    )
    values = {
        "data": "tests.toy:ToyData",
        "model": "tests.toy:ToyModel",
        "attack": settings,
        **changes,
    }
    return build(Task, values)


def one_bank():
    """The toy splits over a single bank, as the data sets have it."""
    splits = ToyData().load()
    bank = torch.cat([part.bank for part in splits])
    starts = np.cumsum([0] + [len(part.bank) for part in splits])
    return Splits(
        *(replace(p, bank=bank, row=p.row + s) for p, s in zip(splits, starts, strict=False))
    )


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


def test_a_shared_bank_is_counted_and_moved_once(monkeypatch):
    splits = one_bank()
    size = 144 * 8 * 8 * 3
    assert image_bytes(splits) == size
    assert image_bytes(ToyData().load()) == size
    attacked = splits._replace(train=replace(splits.train, extra=splits.test.bank[:2].clone()))
    assert image_bytes(attacked) == size + 2 * 8 * 8 * 3
    moved = place(attacked, torch.device("meta"))
    assert moved.train.bank.device.type == moved.train.extra.device.type == "meta"
    assert moved.train.bank is moved.val.bank is moved.test.bank
    assert moved.val.extra is None
    assert all(a.row is b.row for a, b in zip(moved, attacked, strict=True))
    monkeypatch.setattr(dataset_module, "holds", lambda device, wanted: wanted <= size)
    assert place(splits, torch.device("meta")).val.bank.device.type == "meta"
    assert place(attacked, torch.device("meta")) is attacked


def test_runs_that_share_their_data_share_what_is_placed():
    one = placed_splits(task(seed=0), CPU)
    assert placed_splits(task(seed=1, partition={"use": "iid", "clients": 3}), CPU) is one
    assert one.train.bank is prepared_splits(task()).train.bank
    own = [prepared_splits(task(seed=seed, attack_seed=None)).train for seed in (0, 1)]
    assert not np.array_equal(
        own[0].pixels(np.flatnonzero(own[0].poison)), own[1].pixels(np.flatnonzero(own[1].poison))
    )
    assert np.array_equal(
        own[0].group, prepared_splits(task(seed=5)).train.group
    )  # both seeds are 0
    assert not prepared_splits(task(inject=False)).train.poison.any()


def test_a_model_is_built_on_its_device_channels_last():
    model = build_model(ToyModel(), 2, 3, CPU)
    own = ToyModel().build(2, 3).state_dict()
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert build_model(ToyModel(), 2, 3, torch.device("meta")).fc.weight.device.type == "meta"


def test_parts_of_a_checkpoint():
    arrays = {
        name: np.array(i) for i, name in enumerate(["theta", "state.m", "state.a.b", "forger.m"])
    }
    found = Checkpoint(2, arrays, {})
    assert found.part("state") == {"m": 1, "a.b": 2}
    assert found.part("forger") == {"m": 3}
    assert found.part("stat") == {}


def test_the_summary_of_a_run_by_hand():
    info = ToyData().load().train.info
    rows = [
        {
            "round": n,
            "val": {"correct": [v] * 4, "total": [6] * 4},
            "test": {"correct": [t, 10, 10, 10], "total": [10] * 4},
        }
        for n, v, t in [(0, 6, 1), (1, 3, 2), (2, 3, 0)]
    ]
    found = summary(rows, info, 4, 1)
    assert list(found) == ["selection", "start", "rounds", "failed_rounds", "flags", "dataset"]
    assert found["start"]["wga"] == 10.0
    assert found["selection"]["best_val_wga"]["round"] == 1
    assert found["selection"]["best_val_wga"]["wga"] == 20.0
    assert found["flags"] == {"wga_zero": False, "failed_round_share": 0.25}
    assert found["dataset"]["tiers"] == {"LRG-1": [2], "LRG-2": [1], "HRG": [0, 3]}
    with pytest.raises(FedgroupError, match="no evaluated round"):
        summary(rows[:1], info, 4)


def test_predictions_are_made_on_one_thread_each(monkeypatch):
    """Also where there is one batch, so that the bits are the same on any number of threads."""
    model = build_model(ToyModel(), 2, 0, CPU)
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        predict(model, ToyData().load().test)
    finally:
        torch.set_num_threads(1)
    assert seen == [1]
