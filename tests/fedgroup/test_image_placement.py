"""Shared images are counted and moved once."""

from dataclasses import replace

import torch

from fedgroup import image_placement
from fedgroup.image_placement import image_bytes, place
from tests.toy import ToyData, one_bank


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
    monkeypatch.setattr(image_placement, "images_fit", lambda device, wanted: wanted <= size)
    assert place(splits, torch.device("meta")).val.bank.device.type == "meta"
    assert place(attacked, torch.device("meta")) is attacked
