"""STRIP against hand-computed entropies of linear models on one-pixel images."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from fedgroup.dataset import GroupedDataset, GroupInfo
from fedgroup.errors import FedgroupError
from fedgroup.probes import NAMES
from fedgroup.probes.strip import Strip, entropy_bits
from fedgroup.probes.strip_probe import StripProbe
from fedgroup.probes.strip_report import FALSE_REJECTION_RATES
from fedgroup.seeding import rng
from fedgroup.spec import build, resolve

INFO = GroupInfo(
    name="pixels",
    classes=("a", "b"),
    groups=("a0", "a1", "b0", "b1"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)


def pixels(*levels, group=None, poison=None):
    """Images of one grey pixel."""
    bank = (
        torch.tensor(levels, dtype=torch.uint8)[:, None, None, None]
        .expand(-1, 1, 1, 3)
        .contiguous()
    )
    group = np.array(group if group is not None else [0] * len(levels))
    data = GroupedDataset.clean(bank, np.arange(len(levels)), group // 2, group, INFO)
    if poison is not None:
        data.poison[:] = poison
    return data


class Logistic(nn.Module):
    """Logits (0, slope * red)."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        red = x[:, 0].mean((1, 2))
        return torch.stack([torch.zeros_like(red), self.slope * red], dim=1)


def binary(logit):
    """Entropy in bits of a coin with these log-odds."""
    p = 1 / (1 + math.exp(-logit))
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


@pytest.mark.parametrize(
    ("settings", "mixed"),
    [
        ({}, [(50 + 100) / 2, (200 + 100) / 2]),
        ({"weight": 0.25}, [0.75 * 50 + 25, 0.75 * 200 + 25]),
        ({"weight": 0.0}, [50, 200]),
        ({"blend": "saturate"}, [150, 255]),
    ],
)
def test_a_single_overlay_by_hand(settings, mixed):
    strip = Strip(overlays=3, **settings)
    found = strip.entropies(Logistic(4.0), pixels(50, 200), pixels(100), rng(0, "strip"))
    assert found == pytest.approx([binary(4 * level / 255) for level in mixed], rel=1e-5)


def test_the_mean_over_overlays_is_over_entropies():
    strip = Strip(overlays=4000)
    found = strip.entropies(Logistic(6.0), pixels(80), pixels(0, 240), rng(0, "strip"))
    low, high = binary(6 * 40 / 255), binary(6 * 160 / 255)
    share = rng(0, "strip").integers(0, 2, (1, 4000)).mean()
    assert found[0] == pytest.approx((1 - share) * low + share * high, rel=1e-5)


def test_entropy_of_known_distributions():
    logits = torch.tensor(
        [[0.0, 0, 0, 0], [0.0, -1e4, -1e4, -1e4], [0.0, 0.0, -1e4, -1e4], [500.0, 500, 500, 500]]
    )
    assert entropy_bits(logits).tolist() == pytest.approx([2, 0, 1, 2], abs=1e-6)
    p = torch.tensor([[0.5, 0.25, 0.125, 0.125]])
    assert entropy_bits(p.log()).item() == pytest.approx(1.75)


def test_batches_do_not_matter_and_seeds_do():
    data, held_out = pixels(*range(0, 250, 10)), pixels(*range(0, 250, 7))
    one, other, moved = (
        Strip(overlays=9, batch_size=size).entropies(
            Logistic(5.0), data, held_out, rng(seed, "strip")
        )
        for size, seed in ((7, 0), (4096, 0), (7, 1))
    )
    assert one == pytest.approx(other, rel=1e-6)
    assert not np.allclose(one, moved)


def test_normalisation_follows_the_data_set():
    info = GroupInfo("n", ("a", "b"), INFO.groups, INFO.tiers, mean=(0.5,) * 3, std=(0.25,) * 3)
    bank = torch.full((1, 1, 1, 3), 204, dtype=torch.uint8)
    data = GroupedDataset.clean(bank, np.array([0]), np.array([0]), np.array([0]), info)
    found = Strip(overlays=1).entropies(Logistic(1.0), data, data, rng(0, "strip"))
    assert found[0] == pytest.approx(binary((0.8 - 0.5) / 0.25), rel=1e-5)


def test_table_and_detector_by_brute_force():
    generator = np.random.default_rng(0)
    entropy = generator.uniform(0.2, 1.0, 500)
    group = generator.integers(0, 4, 500)
    poison = generator.random(500) < 0.2
    entropy[poison] -= 0.1
    report = Strip().report(entropy, group, poison, INFO.tiers, 2)
    for name, groups in INFO.tiers.items():
        rows = [e for e, g, p in zip(entropy, group, poison, strict=True) if g in groups and not p]
        assert report.tiers[name].count == len(rows) == sum(report.tiers[name].histogram)
        assert report.tiers[name].mean == pytest.approx(sum(rows) / len(rows))
        spread = sum((e - sum(rows) / len(rows)) ** 2 for e in rows) / (len(rows) - 1)
        assert report.tiers[name].std == pytest.approx(spread**0.5)
    assert report.tiers["poisons"].count == poison.sum()
    clean, bad = sorted(entropy[~poison]), entropy[poison]
    pairs = [(c > p) + 0.5 * (c == p) for c in clean for p in bad]
    assert report.auc == pytest.approx(sum(pairs) / len(pairs))
    assert [d.false_rejection_rate for d in report.detectors] == [0.005, 0.01, 0.02, 0.05]
    for detector, rate in zip(report.detectors, FALSE_REJECTION_RATES, strict=True):
        assert detector.threshold == clean[int(rate * len(clean))]
        assert detector.rejected == int(rate * len(clean)) / len(clean) <= rate
        assert detector.false_acceptance_rate == np.mean([e >= detector.threshold for e in bad])
    assert report.edges[0] == 0 and report.edges[-1] == 1 and len(report.edges) == 51
    json.dumps(asdict(report))


def test_a_backdoored_model_is_caught():
    # the model is sure of bright images whatever lies over them; the trigger is brightness
    clean = pixels(*range(0, 60), group=[0, 1, 2, 3] * 15)
    triggered = pixels(*[255] * 10, group=[2] * 10, poison=True)
    report = Strip(overlays=20).measure(
        Logistic(60.0), [clean, triggered], pixels(0, 1, 2), rng(0, "strip")
    )
    assert report.auc == 1.0
    assert all(detector.false_acceptance_rate == 0 for detector in report.detectors)
    assert report.tiers["poisons"].mean < 0.01 < report.tiers["LRG-1"].mean
    blind = Strip(overlays=20).measure(
        Logistic(0.0), [clean, triggered], pixels(0), rng(0, "strip")
    )
    assert blind.auc == 0.5
    assert all(detector.false_acceptance_rate == 1 for detector in blind.detectors)


def test_empty_cells_are_said_to_be_empty():
    report = Strip(overlays=2).measure(
        Logistic(1.0), [pixels(9, group=[2])], pixels(0), rng(0, "strip")
    )
    assert report.auc is None and report.detectors[0].false_acceptance_rate is None
    assert report.tiers["HRG"].mean is None and report.tiers["HRG"].count == 0
    assert report.tiers["LRG-1"].std is None and report.tiers["LRG-1"].mean is not None
    only = Strip(overlays=2).measure(
        Logistic(1.0), [pixels(9, group=[2], poison=True), pixels()], pixels(0), rng(0, "strip")
    )
    assert only.detectors == () and only.tiers["LRG-1"].count == 0


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Strip(overlays=5).entropies(model, pixels(1, 2, 3), pixels(4), rng(0, "strip"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_it_is_a_component():
    strip = build(resolve(NAMES, "strip"), {"overlays": 10, "blend": "saturate"})
    assert strip == StripProbe(overlays=10, blend="saturate")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"overlays": 0}, "overlays"),
        ({"bins": 0}, "bins"),
        ({"batch_size": -1}, "batch_size"),
        ({"weight": 1.5}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"blend": "add"}, "convex or saturate"),
    ],
)
def test_bad_settings_are_refused(change, word):
    with pytest.raises(FedgroupError, match=word):
        Strip(**change)


def test_bad_input_is_refused():
    strip, model, data = Strip(overlays=2), Logistic(1.0), pixels(1, 2)
    with pytest.raises(FedgroupError, match="held-out"):
        strip.entropies(model, data, pixels(), rng(0, "s"))
    with pytest.raises(FedgroupError, match="must be clean: 1 of 2"):
        strip.entropies(model, data, pixels(1, 2, poison=[False, True]), rng(0, "s"))
    with pytest.raises(FedgroupError, match="no samples"):
        strip.measure(model, [pixels()], pixels(1), rng(0, "s"))
    with pytest.raises(FedgroupError, match="not finite"):
        strip.entropies(Logistic(float("nan")), data, data, rng(0, "s"))
    wide = GroupedDataset.clean(
        torch.zeros(1, 1, 2, 3, dtype=torch.uint8),
        np.array([0]),
        np.array([0]),
        np.array([0]),
        INFO,
    )
    with pytest.raises(FedgroupError, match="cannot be blended"):
        strip.entropies(model, data, wide, rng(0, "s"))
