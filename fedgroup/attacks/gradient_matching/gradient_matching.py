"""Gradient matching (GM): clean-label poisons that make chosen test images be misclassified.

Geiping et al., 2021 (Witches' Brew); paper section 2.2 and appendix A.1. The bases are samples of
LRG-1, changed in place by at most eps per pixel and with their labels kept; the targets are test images of
the other class. A perturbed base's training gradient imitates that of the targets with the wrong label.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch

from fedgroup import cache
from fedgroup.attacks import base_samples
from fedgroup.attacks.attack import Predict, insert
from fedgroup.attacks.gradient_matching.augment import DRAWS, shift_and_flip
from fedgroup.attacks.gradient_matching.matching import Loss, Matcher, Precision, descend
from fedgroup.attacks.gradient_matching.perturbation import Box, to_bytes
from fedgroup.attacks.gradient_matching.restarts import Brew
from fedgroup.attacks.gradient_matching.surrogate import Surrogate
from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError, unknown
from fedgroup.group_metrics import Counts
from fedgroup.seeding import torch_seed
from fedgroup.spec import to_dict

Augment = Literal["off", "official"]
PIXELS_AT_ONCE = 64 * 224 * 224
"""Pixels differentiated twice at once where `chunk` is not given: 64 images of 224 px, for which
ResNet-18 keeps 2.6 GB of activations and ResNet-50 10.8 GB."""

_LOG = logging.getLogger(__name__)


class Plan(NamedTuple):
    """What a generator decides: pure data, cheap to draw again."""

    targets: Ints
    """Positions in the test split, ascending, (T,)."""
    bases: Ints
    """Positions in the training split, ascending, (P,)."""
    label: int
    """y_bad: label of all bases and the class the targets are to be given."""
    seed: int
    """Seed of the first perturbations and of the augmentation."""


@dataclass(frozen=True)
class GradientMatching:
    """Gradient matching with the official code's defaults, bases from LRG-1, many targets.

    With surrogate.model resnet18 and 224 px images the defaults are the paper's attack where it
    states its settings, and the official code's elsewhere: a GPU's work.
    For one CPU core, with the small model: restarts 2, steps 60, surrogate.train.epochs 5 and lr 0.01 at
    32 px take half a minute, half of it for the surrogate; restarts 4 and steps 100 a minute; the defaults
    five minutes. With resnet18 at 64 px, restarts 1 and steps 50 brew in two minutes.
    """

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = True

    targets: int = 5
    """Test images to be misclassified, drawn from the class that does not contain LRG-1."""
    fraction: float = 0.01
    """Poisons as a share of the clean training set (rounded down)."""
    eps: float = 16.0
    """Largest change of a pixel, of 255."""
    restarts: int = 8
    """Independent starts; the one of lowest last loss is kept."""
    steps: int = 250
    """Updates per restart."""
    lr: float = 0.1
    """tau, the step length of signed Adam in normalised pixels for `batch` 512."""
    loss: Loss = "similarity"
    """What is matched: similarity (one cosine over all parameters), cosine1, scalar_product, SE or MSE."""
    augment: Augment = "off"
    """off is match_victim: the trainer here does not augment; official shifts and flips at random."""
    batch: int = 512
    """Poisons matched together. As in the official code the step length is lr * batch / 512 whatever the
    number of poisons, and more poisons than this are matched batch by batch, each on its own."""
    surrogate: Surrogate = field(default_factory=Surrogate)
    """The attacker's network."""
    chunk: int | None = None
    """Images differentiated twice at once, to save memory (same result, more work); None: by image size."""
    precision: Precision = "float32"
    """bfloat16 runs the surrogate's forward pass under autocast while brewing; gradients stay float32."""

    def __post_init__(self) -> None:
        base_samples.check_fraction(self.fraction)
        for name, valid in (("loss", Loss), ("augment", Augment), ("precision", Precision)):
            if getattr(self, name) not in get_args(valid):
                raise unknown(name, getattr(self, name), get_args(valid))
        if not 0 <= self.eps <= 255:
            raise FedgroupError(
                f"eps is a change of a pixel and must lie in [0, 255], got {self.eps}"
            )
        if not 0 < self.lr < float("inf"):
            raise FedgroupError(f"lr must be positive and finite, got {self.lr}")
        for name in ("targets", "restarts", "steps", "batch", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise FedgroupError(f"{name} must be at least 1, got {value}")

    def plan(self, splits: Splits, rng: np.random.Generator) -> Plan:
        """Draw the targets (first), then the bases, then the seed of the perturbations."""
        train, test = splits.train, splits.test
        label, count = (
            base_samples.bad_class(train.info),
            base_samples.poison_count(self.fraction, train),
        )
        targets = self._targets(train, test, rng)
        chosen = base_samples.draw(base_samples.rare_pool(train), count, train, "LRG-1", rng)
        if (train.y[chosen] != label).any():
            raise FedgroupError(
                f"{train.info.name}: a sample of LRG-1 does not have its class "
                f"{train.info.classes[label]}: check the y and group columns"
            )
        return Plan(targets, chosen, label, int(rng.integers(2**63)))

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Replace the bases by brewed poisons; labels, groups, positions and indices stay."""
        train = splits.train
        if train.extra is not None or train.poison.any():
            raise FedgroupError(
                f"{train.info.name}: the training set already holds {int(train.poison.sum())} poisons: "
                f"a run has one attack"
            )
        plan = self.plan(splits, rng)
        images = torch.from_numpy(brew(self, splits, plan).images)
        return splits._replace(train=insert(train, plan.bases, plan.label, images, how="replace"))

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Targets that are misclassified, of all targets; including those a clean model gets wrong."""
        view = splits.test.take(self._targets(splits.train, splits.test, rng))
        missed = (predict(view) != view.y).astype(np.int64)
        return Counts.of(missed, np.ones_like(missed), view.group, len(view.info.groups))

    def _targets(
        self, train: GroupedDataset, test: GroupedDataset, rng: np.random.Generator
    ) -> Ints:
        y = base_samples.source_class(train)
        pool = np.flatnonzero((test.y == y) & ~test.poison)
        if len(pool) < self.targets:
            raise FedgroupError(
                f"{test.info.name}: {self.targets} targets asked for, the test split has {len(pool)} images "
                f"of class {test.info.classes[y]}: set targets to at most {len(pool)}"
            )
        # one permutation of the whole pool: fewer targets are among more, and the bases do not move
        return np.sort(rng.permutation(pool)[: self.targets])


def brew(attack: GradientMatching, splits: Splits, plan: Plan) -> Brew:
    """Make the poisons of a plan, or read them from the cache.

    Every finished restart is stored, so an interrupted brew goes on where it stopped, with the same result
    as an uninterrupted one. Stored under a hash of the settings and of the content of the images involved.
    """
    train, targets = splits.train, splits.test.take(plan.targets)
    surrogate = attack.surrogate.key(train)
    chosen = {"bases": plan.bases.tolist(), "label": plan.label, "seed": plan.seed}
    parts = {
        "attack": to_dict(attack),
        "surrogate": surrogate,
        "targets": cache.fingerprint(targets),
        **chosen,
    }
    path = cache.path_for("gm", parts)
    with cache.alone(path):
        done = Brew.load(path, len(plan.bases), train.size, attack.steps)
        if len(done.trace) < attack.restarts:
            device = pick()
            net = attack.surrogate.trained(train, surrogate, device)
            goal = targets.batch(np.arange(len(targets)), device).x
            intended = torch.full((len(targets),), plan.label, dtype=torch.int64, device=device)
            chunk = attack.chunk or max(1, PIXELS_AT_ONCE // (train.size[0] * train.size[1]))
            matcher = Matcher.towards(
                net, goal, intended, loss=attack.loss, chunk=chunk, precision=attack.precision
            )
            for number in range(len(done.trace), attack.restarts):
                done = _restart(attack, matcher, train, plan, number, done)
                done.save(path)
    return done


def _restart(
    attack: GradientMatching,
    matcher: Matcher,
    train: GroupedDataset,
    plan: Plan,
    number: int,
    done: Brew,
) -> Brew:
    """One start from fresh noise: perturb, descend, round; returns `done` with this restart added."""
    clean = train.batch(plan.bases, matcher.device)
    box = Box.around(clean.x, attack.eps, train.info.mean, train.info.std)
    generator = torch.Generator().manual_seed(torch_seed(plan.seed, "restart", number))
    # drawn on the CPU: the same numbers for every device
    noise = torch.randn(clean.x.shape, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    draws = torch.rand(attack.steps, len(clean.y), DRAWS, generator=generator).to(matcher.device)

    def show(step: int, delta: torch.Tensor, part: slice) -> torch.Tensor:
        images = clean.x[part] + delta
        return images if attack.augment == "off" else shift_and_flip(images, draws[step, part])

    delta, trace = descend(
        matcher,
        box.start(noise.to(clean.x)),
        clean.y,
        box,
        show,
        steps=attack.steps,
        lr=attack.lr * attack.batch / 512,
        batch=attack.batch,
        progress=_bar(number, attack),
    )
    std, mean = (clean.x.new_tensor(values) for values in (train.info.std, train.info.mean))
    pixels = (clean.x + delta).permute(0, 2, 3, 1) * std + mean
    images = to_bytes(pixels.cpu(), train.pixels(plan.bases).cpu(), attack.eps)
    # as the victim will see them
    view = insert(train, plan.bases, plan.label, images, how="replace").batch(
        plan.bases, matcher.device
    )
    stored = float(matcher.measure(view.x, view.y))
    curve = trace.float().cpu().numpy()
    if not np.isfinite(curve).all():
        raise FedgroupError(
            f"gradient matching lost its way in restart {number + 1}: the loss is not finite; "
            f"lower lr (it is {attack.lr:g}) or use precision: float32"
        )
    _LOG.info(
        "gm restart %d/%d: loss %.4f -> %.4f, %.4f as stored",
        *(number + 1, attack.restarts, curve[0], curve[-1], stored),
    )
    return done.plus(images.numpy(), curve, stored)


def _bar(number: int, attack: GradientMatching) -> Callable[[int], None]:
    """A bar on a terminal's stderr, nothing elsewhere."""

    def draw(step: int) -> None:
        filled = "#" * (24 * step // attack.steps)
        end = "\n" if step == attack.steps and number + 1 == attack.restarts else ""
        print(
            f"\rgm restart {number + 1}/{attack.restarts} [{filled:<24}]",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    return draw if sys.stderr.isatty() else lambda step: None
