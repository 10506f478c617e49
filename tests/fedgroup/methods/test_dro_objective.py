from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from fedgroup.errors import FedgroupError
from fedgroup.methods.clustering.clusters import compact
from fedgroup.methods.dro_objective import DROLoss, DROObjective
from fedgroup.spec import build
from tests.fedgroup.methods.cases import CASES, batch, dataset

NEAR = {"atol": 2e-6, "rtol": 1e-5}
CLOSE = {"abs": 2e-6, "rel": 1e-5}


def steps(objective: DROObjective, batches: list[dict[str, Any]]) -> Any:
    """Loss and gradient of every batch, while the objective learns."""
    for each in batches:
        logits = torch.tensor(each["logits"], requires_grad=True)
        loss = objective(logits, batch(each["y"], each["g"]))
        (gradient,) = torch.autograd.grad(loss, logits)
        yield loss.item(), gradient.numpy()


def from_losses(group_losses: list[float]) -> tuple[torch.Tensor, Any]:
    """One sample per group with exactly this cross-entropy; a group of loss 0 is absent."""
    present = [g for g, value in enumerate(group_losses) if value > 0]
    x = [np.log(np.expm1(v)) if v < 30 else v for v in (group_losses[g] for g in present)]
    logits = torch.tensor([[0.0, value] for value in x], dtype=torch.float64)
    return logits, batch([0] * len(present), present)


@pytest.mark.parametrize(
    "name", [name for name in CASES if name.startswith(("gdro_online", "gdro_btl"))]
)
def test_parity_with_official_group_dro(name: str) -> None:
    """Loss, gradient, weights, smoothed losses and counters over three batches with absent groups."""
    case = CASES[name]
    given = case["inputs"]
    greedy = given.get("btl", False)
    objective = DROObjective(
        DROLoss(
            eta=given["step_size"],
            adjustment=tuple(float(c) for c in given["adj"]),
            normalise=given.get("normalize_loss", False),
            weighting="greedy" if greedy else "exponential",
            share=given["alpha"],
            smoothing=given["gamma"],
            floor=given.get("min_var_weight", 0.0),
        ),
        np.array(given["train_group_counts"]),
    )
    before = {key: np.zeros(3) for key in ("seen", "loss", "hits")}
    weighted, batches = np.zeros(3), np.zeros(3)
    for (loss, gradient), want in zip(
        steps(objective, given["batches"]), case["expected"], strict=True
    ):
        state, weights = objective.state(), objective.weights().numpy()
        assert loss == pytest.approx(want["loss"], **CLOSE)
        np.testing.assert_allclose(gradient, want["grad_logits"], **NEAR)
        if not greedy:
            np.testing.assert_allclose(weights, want["adv_probs"], **NEAR)
        np.testing.assert_allclose(state["smoothed"], want["exp_avg_loss"], **NEAR)
        count = state["seen"] - before["seen"]
        assert count.tolist() == want["group_count"]
        mean = (state["loss"] - before["loss"]) / np.maximum(count, 1)
        np.testing.assert_allclose(mean, want["group_loss"], **NEAR)
        assert state["seen"].tolist() == want["processed"]
        np.testing.assert_allclose(state["loss"] / state["seen"], want["avg_group_loss"], **NEAR)
        np.testing.assert_allclose(state["hits"] / state["seen"], want["avg_group_acc"], **NEAR)
        assert state["hits"].sum() / state["seen"].sum() == pytest.approx(want["avg_acc"], **CLOSE)
        weighted += count * (weights > 0)
        batches += (count > 0) * (weights > 0)
        assert weighted.tolist() == want["update_data_counts"]
        assert batches.tolist() == want["update_batch_counts"]
        before = state


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("gdro_q")])
def test_parity_of_the_weight_recursion(name: str) -> None:
    given, expected = CASES[name]["inputs"], CASES[name]["expected"]
    adjustment = tuple(float(c) for c in given["C"])
    objective = DROObjective(
        DROLoss(eta=given["eta"], adjustment=adjustment), np.array(given["train_group_counts"])
    )
    for group_losses, want in zip(given["group_losses"], expected, strict=True):
        loss = objective(*from_losses(group_losses))
        np.testing.assert_allclose(objective.weights().numpy(), want["q"], atol=1e-6)
        assert loss.item() == pytest.approx(want["robust_loss"], abs=1e-6, rel=1e-6)


def test_parity_where_float32_would_overflow() -> None:
    case = CASES["gdro_overflow_float32"]
    given = case["inputs"]
    objective = DROObjective(
        DROLoss(eta=given["eta"], adjustment=given["C"]), np.array(given["counts"])
    )
    loss = objective(*from_losses(given["group_losses"]))
    want = case["expected"]["george_stable"]
    np.testing.assert_allclose(objective.weights().numpy(), want["q"], rtol=1e-5)
    assert loss.item() == pytest.approx(want["robust_loss"], rel=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in CASES if name.startswith("george_gdro_") and "C" in name]
)
def test_parity_with_george(name: str) -> None:
    case = CASES[name]
    given, expected = case["inputs"], case["expected"]
    objective = DROObjective(
        DROLoss(eta=given["robust_lr"], adjustment=float(given["size_adjustment"])),
        np.array(given["train_group_counts"]),
    )
    for (loss, gradient), want in zip(
        steps(objective, given["batches"]), expected["train"], strict=True
    ):
        assert loss == pytest.approx(want["loss"], **CLOSE)
        np.testing.assert_allclose(gradient, want["grad_logits"], **NEAR)
        np.testing.assert_allclose(objective.weights().numpy(), want["q"], **NEAR)
        if want["logits_q"] is not None:
            np.testing.assert_allclose(objective.state()["z"], want["logits_q"], **NEAR)
    before = objective.state()
    first = given["batches"][0]
    with torch.no_grad():
        loss = objective(torch.tensor(first["logits"]), batch(first["y"], first["g"])).item()
    want = expected["eval_on_batch1_under_no_grad"]
    assert loss == pytest.approx(want["loss"], **CLOSE)
    np.testing.assert_allclose(objective.weights().numpy(), want["q_after"], **NEAR)
    assert all(np.array_equal(value, before[name]) for name, value in objective.state().items())


def test_parity_an_empty_cluster_is_refused_and_compact_ids_train() -> None:
    given = CASES["george_gdro_empty_cluster"]["inputs"]
    with pytest.raises(FedgroupError, match=r"group 1 of 3 has no training samples.*compact"):
        DROObjective(DROLoss(adjustment=2.0), np.array(given["train_group_counts"]))
    ids, old = compact(np.repeat([0, 2], [10, 5]))
    assert old.tolist() == [0, 2]
    objective = DROLoss(adjustment=2.0).over(dataset(np.repeat([0, 2], [10, 5])), ids)
    one = given["batch"]
    loss = objective(torch.tensor(one["logits"]), batch(one["y"], one["g"], index=[0, 10]))
    assert torch.isfinite(loss)
    assert objective.state()["seen"].tolist() == [1, 1]


def test_greedy_weights_sum_to_one_and_follow_the_losses() -> None:
    objective = DROObjective(DROLoss(weighting="greedy", share=0.5), np.array([50, 30, 20]))
    objective(*from_losses([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(objective.weights().numpy(), [0.0, 0.6, 0.4], atol=1e-12)
    whole = DROObjective(DROLoss(weighting="greedy", share=1.0), np.array([50, 30, 20]))
    whole(*from_losses([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(whole.weights().numpy(), [0.5, 0.3, 0.2], atol=1e-12)


def test_without_steps_of_the_weights_it_is_the_mean_of_group_means() -> None:
    logits = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    y, g = [0, 1] * 6, [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    objective = DROObjective(DROLoss(eta=0.0), np.array([6, 3, 3]))
    losses = F.cross_entropy(logits, torch.tensor(y), reduction="none")
    want = torch.stack([losses[:6].mean(), losses[6:9].mean(), losses[9:].mean()]).mean()
    assert objective(logits, batch(y, g)).item() == pytest.approx(want.item(), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), greedy=st.booleans())
def test_the_order_within_a_batch_does_not_matter(seed: int, greedy: bool) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(20, 2)) * 3)
    y, g = rng.integers(0, 2, 20), rng.integers(0, 4, 20)
    results = []
    for order in (np.arange(20), rng.permutation(20)):
        objective = DROObjective(
            DROLoss(eta=0.7, adjustment=1.0, weighting="greedy" if greedy else "exponential"),
            np.array([5, 10, 2, 3]),
        )
        loss = objective(logits[order], batch(y[order].tolist(), g[order].tolist()))
        results.append((objective.weights().numpy(), loss.item()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-9)
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-9)
    assert results[0][0].sum() == pytest.approx(1.0)


def test_it_resumes_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    stream = [
        (torch.from_numpy(rng.normal(size=(8, 2))), batch(*rng.integers(0, 2, (2, 8)).tolist()))
        for _ in range(6)
    ]
    settings_ = DROLoss(eta=0.3, adjustment=1.0)
    whole = DROObjective(settings_, np.array([5, 9]))
    want = [whole(*step).item() for step in stream]
    first = DROObjective(settings_, np.array([5, 9]))
    for step in stream[:3]:
        first(*step)
    second = DROObjective(settings_, np.array([5, 9]))
    second.load(first.state())
    assert [second(*step).item() for step in stream[3:]] == want[3:]
    assert all(np.array_equal(value, whole.state()[name]) for name, value in second.state().items())


def test_clusters_are_looked_up_by_identity() -> None:
    """A shuffled view with repeats: ids follow the samples, not the positions in the batch."""
    full = dataset([0, 0, 1, 2, 3, 3])
    data = full.take(np.array([5, 0, 3, 3]))
    ids = np.array([1, 0, 1, 1])
    objective = DROLoss(eta=0.0).over(data, ids)
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    y = [1, 0, 1]
    loss = objective(logits, batch(y, [3, 0, 2], index=[5, 0, 3]))
    each = F.cross_entropy(logits, torch.tensor(y), reduction="none")
    assert loss.item() == pytest.approx(((each[0] + each[2]) / 2 + each[1]).item() / 2, abs=1e-6)
    assert objective.state()["seen"].tolist() == [1, 2]


def test_own_groups_are_the_default() -> None:
    objective = DROLoss().over(dataset([0, 1, 2, 3, 3]))
    objective(torch.zeros(2, 2), batch([0, 1], [0, 3]))
    assert objective.state()["seen"].tolist() == [1, 0, 0, 1]
    with pytest.raises(FedgroupError, match="group 1 of 4 has no training samples"):
        DROLoss().over(dataset([0, 2, 3]))


def test_half_precision_logits_keep_a_float32_loss() -> None:
    objective = DROObjective(DROLoss(), np.array([1, 1]))
    logits = torch.zeros(2, 2, dtype=torch.bfloat16, requires_grad=True)
    loss = objective(logits, batch([0, 1], [0, 1]))
    assert loss.dtype == torch.float32
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None


def test_a_diverged_model_is_named() -> None:
    objective = DROObjective(DROLoss(), np.array([1, 1]))
    objective(torch.tensor([[float("nan"), 0.0], [0.0, 0.0]]), batch([0, 1], [0, 1]))
    with pytest.raises(FedgroupError, match="no longer finite"):
        objective.state()


def test_ids_that_do_not_fit_are_refused() -> None:
    data = dataset([0, 1, 2])
    for ids, message in [
        ([0, 1], "2 group ids for 3 samples"),
        ([0, -1, 1], "group ids must be 0, 1, 2"),
        ([0, 2, 2], "group 1 of 3 has no training samples"),
    ]:
        with pytest.raises(FedgroupError, match=message):
            DROLoss().over(data, np.array(ids))
    with pytest.raises(FedgroupError, match="several group ids"):
        DROLoss().over(data.take(np.array([0, 0, 1])), np.array([0, 1, 1]))


def test_a_state_that_does_not_fit_is_refused() -> None:
    objective = DROObjective(DROLoss(), np.array([1, 1]))
    good = objective.state()
    for bad in ({}, {**good, "z": np.zeros(3)}, {**good, "seen": np.array([np.nan, 0])}):
        with pytest.raises(FedgroupError, match="saved group weights do not fit"):
            objective.load(bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eta": -0.1}, "eta must be at least 0"),
        ({"eta": float("nan")}, "eta must be at least 0"),
        ({"adjustment": -1.0}, "adjustment must be at least 0"),
        ({"adjustment": [1.0, float("inf")]}, "adjustment must be at least 0"),
        ({"share": 0.0}, r"share 0.0 and smoothing 0.1 must lie in \(0, 1\]"),
        ({"smoothing": 1.5}, "smoothing 1.5"),
        ({"floor": 2.0}, "floor must lie in"),
        ({"weighting": "soft"}, "exponential"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        if "inf" in str(changes) or "nan" in str(changes):
            DROLoss(**{k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()})
        build(DROLoss, changes, "method.dro")


def test_settings_are_read_from_a_spec() -> None:
    assert build(DROLoss, {"adjustment": [1.0, 2.0]}) == DROLoss(adjustment=(1.0, 2.0))
    assert build(DROLoss, {"adjustment": 2}) == DROLoss(adjustment=2.0)
    with pytest.raises(FedgroupError, match="3 adjustments for 2 groups"):
        DROObjective(DROLoss(adjustment=(1.0, 1.0, 1.0)), np.array([1, 1]))
