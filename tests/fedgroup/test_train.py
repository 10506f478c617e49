import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedgroup.dataset import Batch
from fedgroup.errors import FedgroupError
from fedgroup.layout import read, write
from fedgroup.predict import count, predict
from fedgroup.seeding import rng
from fedgroup.train import Progress, TrainConfig, epochs, fit
from tests.toy import ToyData, ToyModel

TRAIN = ToyData().load().train


def test_equals_a_plain_pytorch_loop_bitwise() -> None:
    config = TrainConfig(epochs=3, batch_size=16, lr=0.1, momentum=0.9, weight_decay=1e-3)
    ours, plain = ToyModel().build(2, 0), ToyModel().build(2, 0)
    fitted = fit(ours, TRAIN, config, rng(0, "x"))
    optimiser = torch.optim.SGD(
        plain.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3, foreach=True
    )
    plain.train()
    generator = rng(0, "x")
    for _ in range(3):
        order = generator.permutation(80)
        for start in range(0, 80, 16):
            batch = TRAIN.batch(order[start : start + 16])
            loss = F.cross_entropy(plain(batch.x), batch.y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for name, array in read(ours).arrays().items():
        assert np.array_equal(array, read(plain).arrays()[name]), name
    assert len(fitted.losses) == 3
    assert fitted.samples == 80


def test_learns_the_toy_task() -> None:
    model = ToyModel().build(2, 0)
    fitted = fit(model, TRAIN, TrainConfig(epochs=30, batch_size=16, lr=0.05), rng(0, "x"))
    assert fitted.losses[-1] < 0.5 * fitted.losses[0]
    assert count(predict(model, TRAIN), TRAIN).accuracy() > 0.9


def test_the_last_partial_batch_is_kept() -> None:
    model = ToyModel().build(2, 0)
    fit(model, TRAIN, TrainConfig(epochs=1, batch_size=64), rng(0, "x"))
    assert int(read(model).counters[0]) == 2  # 64 + 16 samples: two steps


def test_empty_data_and_single_sample_batches_are_refused() -> None:
    model = ToyModel().build(2, 0)
    with pytest.raises(FedgroupError, match="0 samples"):
        fit(model, TRAIN.take(np.empty(0, np.int64)), TrainConfig(), rng(0, "x"))

    class OnePixel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn = torch.nn.BatchNorm1d(3)
            self.fc = torch.nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.fc(self.bn(x.mean((2, 3))))
            return out

    with pytest.raises(FedgroupError, match="batch of 1 sample"):
        fit(OnePixel(), TRAIN.take(np.arange(5)), TrainConfig(batch_size=4), rng(0, "x"))


def test_predictions_do_not_depend_on_view_or_mode() -> None:
    model = ToyModel().build(2, 0)
    whole = predict(model, TRAIN)
    order = rng(1, "order").permutation(len(TRAIN))
    assert np.array_equal(predict(model.train(), TRAIN.take(order)), whole[order])


def test_bfloat16_trains() -> None:
    model = ToyModel().build(2, 0)
    fitted = fit(model, TRAIN, TrainConfig(epochs=2, precision="bfloat16"), rng(0, "x"))
    assert np.isfinite(fitted.losses).all()
    assert next(model.parameters()).dtype == torch.float32


def test_golden_losses() -> None:
    """Five epochs on the toy data; a change here changes every result and belongs in the CHANGELOG."""
    fitted = fit(
        ToyModel().build(2, 0),
        TRAIN,
        TrainConfig(epochs=5, batch_size=16, lr=0.05),
        rng(0, "golden"),
    )
    assert np.allclose(fitted.losses, GOLDEN, rtol=0, atol=1e-5), fitted.losses


GOLDEN = (0.715863, 0.519202, 0.321220, 0.169336, 0.104096)


def weights(model: torch.nn.Module) -> dict[str, np.ndarray]:
    return read(model).arrays()


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_epochs_go_on_bitwise_from_weights_and_momentum(momentum: float) -> None:
    config = TrainConfig(epochs=4, batch_size=16, lr=0.05, momentum=momentum, weight_decay=1e-3)
    whole, first, second = (ToyModel().build(2, 0) for _ in range(3))
    losses = [epoch.loss for epoch in epochs(whole, TRAIN, config, lambda e: rng(0, e))]
    progress = None
    for epoch in epochs(first, TRAIN, config, lambda e: rng(0, e)):
        if epoch.number == 2:
            progress = epoch.progress()
            break
    assert progress is not None
    assert progress.epoch == 2
    assert len(progress.momentum) == (
        0 if momentum == 0 else sum(p.numel() for p in first.parameters())
    )
    write(second, read(first))
    rest = list(epochs(second, TRAIN, config, lambda e: rng(0, e), state=progress))
    assert [epoch.number for epoch in rest] == [3, 4]
    assert [epoch.loss for epoch in rest] == losses[2:]
    for name, array in weights(whole).items():
        assert np.array_equal(array, weights(second)[name]), name


def test_the_caller_may_evaluate_between_epochs() -> None:
    config = TrainConfig(epochs=2, batch_size=16, lr=0.05)
    plain, watched = ToyModel().build(2, 0), ToyModel().build(2, 0)
    fit(plain, TRAIN, config, rng(0, "x"))
    generator = rng(0, "x")
    for _ in epochs(watched, TRAIN, config, lambda _: generator):
        predict(watched, TRAIN)
        assert not watched.training
    for name, array in weights(plain).items():
        assert np.array_equal(array, weights(watched)[name]), name


def test_draw_and_objective_are_the_callers() -> None:
    drawn: list[int] = []

    def draw(generator: np.random.Generator) -> np.ndarray:
        return np.array([3, 3, 5, 7])

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        drawn.extend(batch.index.tolist())
        return logits.sum() * 0 + 2.0

    model = ToyModel().build(2, 0)
    before = weights(model)["theta"].copy()
    config = TrainConfig(epochs=2, batch_size=3, lr=0.1)
    done = list(epochs(model, TRAIN, config, lambda e: rng(0, e), objective=objective, draw=draw))
    assert drawn == [3, 3, 5, 7] * 2
    assert [(epoch.samples, epoch.loss) for epoch in done] == [(4, 2.0), (4, 2.0)]
    assert np.array_equal(weights(model)["theta"], before)


def test_an_empty_draw_and_foreign_momentum_are_refused() -> None:
    model, config = ToyModel().build(2, 0), TrainConfig(epochs=2)
    none = np.empty(0, np.int64)
    with pytest.raises(FedgroupError, match="epoch 1 has no samples left"):
        list(epochs(model, TRAIN, config, lambda e: rng(0, e), draw=lambda _: none))
    foreign = Progress(1, np.zeros(7, np.float32))
    with pytest.raises(FedgroupError, match="momentum has 7 values, this model takes"):
        list(epochs(model, TRAIN, config, lambda e: rng(0, e), state=foreign))
