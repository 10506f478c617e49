"""GroupDRO as a method: what it weighs, how it draws, and that its weights are kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedgroup.methods.central_run import centralise
from fedgroup.methods.clustering.clusters import compact
from fedgroup.methods.dro_objective import DROLoss
from fedgroup.methods.group_dro import GroupDRO, annotated_groups
from fedgroup.runs.run_directory import read_lines
from fedgroup.seeding import rng
from fedgroup.task import prepared_splits
from tests.fedgroup.methods.cases import dataset
from tests.fedgroup.methods.runs import arrays, task


def test_without_steps_of_q_it_is_the_mean_of_group_means(tmp_path: Path) -> None:
    """eta 0, every sample in one batch: the first loss is the mean over groups of their mean losses."""
    clean = replace(
        task(epochs=1), inject=False, train=replace(task().train, epochs=1, batch_size=80)
    )
    folder = centralise(clean, GroupDRO(loss=DROLoss(eta=0.0), sampler="shuffle"), tmp_path)
    train = prepared_splits(clean).train
    model = clean.model.build(2, 0).train()
    each = F.cross_entropy(
        model(train.batch(np.arange(80)).x), torch.tensor(train.y), reduction="none"
    )
    expected = np.mean([float(each.detach()[train.group == g].mean()) for g in range(4)])
    assert read_lines(folder, "rounds")[1]["loss"] == pytest.approx(expected, abs=1e-6)


def test_uniform_draws_come_from_the_epoch_address(tmp_path: Path) -> None:
    """The first epoch by hand: draws uniform over groups, and z of DROLoss."""
    only = task(epochs=1)
    folder = centralise(only, GroupDRO(), tmp_path)
    train = prepared_splits(only).train
    ids = annotated_groups(train)
    objective = DROLoss().over(train, ids)
    weights = 1.0 / np.bincount(ids)[ids]
    order = rng(0, "central", "final", 1).choice(84, 84, p=weights / weights.sum())
    model = only.model.build(2, 0).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, foreach=True)
    for start in range(0, 84, 16):
        batch = train.batch(order[start : start + 16])
        loss = objective(model(batch.x), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    held = arrays(folder, "checkpoint")
    assert np.allclose(held["state.z"], objective.state()["z"], rtol=0, atol=1e-9)
    assert held["state.seen"].sum() == 84


def test_minority_loss_gains_weight(tmp_path: Path) -> None:
    """The toy brightness misleads about a1 and b0; drawn uniformly, their losses move q most."""
    clean = replace(task(epochs=6), inject=False)
    z = arrays(centralise(clean, GroupDRO(), tmp_path), "checkpoint")["state.z"]
    assert set(z.argsort()[2:]) == {1, 2}, z


def test_poisons_count_where_their_label_puts_them() -> None:
    """A land bird on land (group 0) under the label water bird is filed as group 2."""
    data = dataset([0, 1, 2, 3, 0], poison=[4], y=[0, 0, 1, 1, 1])
    assert annotated_groups(data).tolist() == [0, 1, 2, 3, 2]


def test_groups_that_no_sample_has_are_left_out() -> None:
    train = prepared_splits(task()).train
    without = train.keep(annotated_groups(train) != 1)
    ids, old = compact(annotated_groups(without))
    assert old.tolist() == [0, 2, 3]
    assert DROLoss().over(without, ids).weights().tolist() == pytest.approx([1 / 3] * 3)
