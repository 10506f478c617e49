"""Gradient matching (GM): clean-label poisons that turn chosen test images into LRG-1's class."""

import logging
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgroup import cache, storage
from fedgroup.attacks.attack import Predict, insert, refuse_poisoned
from fedgroup.attacks.base_samples import bad_class
from fedgroup.attacks.gradient_matching.augment import DRAWS, shift_and_flip
from fedgroup.attacks.gradient_matching.descent import descend
from fedgroup.attacks.gradient_matching.matching import Loss, Matcher, Precision
from fedgroup.attacks.gradient_matching.perturbation import Box, to_bytes
from fedgroup.attacks.gradient_matching.plan import Plan, draw_plan, draw_targets
from fedgroup.attacks.gradient_matching.restarts import Restarts, progress_bar
from fedgroup.attacks.gradient_matching.surrogate import Surrogate
from fedgroup.attacks.poison_count import check_fraction
from fedgroup.dataset import Batch, GroupedDataset, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError, unknown
from fedgroup.group_metrics import Counts
from fedgroup.seeding import torch_seed

Augment = Literal["off", "official"]
PIXELS_AT_ONCE = 64 * 224 * 224
"""Pixels differentiated twice at once where `chunk` is not given: 64 images of 224 px, for which
ResNet-18 keeps 2.6 GB of activations and ResNet-50 10.8 GB."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class GradientMatching:
    """Images of LRG-1, slightly changed and rightly labelled, that draw test images to its class.

    Geiping et al., ICLR 2021 (Witches' Brew), section 3, with many targets and bases from LRG-1 as
    in the paper (section 2.2 and appendix A.1). The bases are replaced by x + delta, |delta| <= eps
    / 255, whose training gradient g_p imitates that of the targets with LRG-1's class y_bad, g_t:

        minimise over delta   1 - <g_t, g_p(delta)> / (||g_t|| ||g_p(delta)||)

        ASR = share of the targets that get y_bad, those that a clean model gives it included

    With two classes that is the paper's "misclassified"; with more, Geiping et al. count the
    intended class alone, and so does this.

    With surrogate.model resnet18 and 224 px images the defaults are the paper's attack where it
    states its settings, and the official code's elsewhere: a GPU's work. For one CPU core, with the
    small model: restarts 2, steps 60, surrogate.train.epochs 5 and lr 0.01 at 32 px take half a
    minute, half of it for the surrogate; restarts 4 and steps 100 a minute; the defaults five
    minutes. With resnet18 at 64 px, restarts 1 and steps 50 take two minutes.
    """

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = True

    targets: int = 5
    """Test images to be given LRG-1's class, drawn from y_src, the largest other class of HRG."""
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
    """What is matched: similarity (one cosine over all parameters), cosine1, scalar_product, SE or
    MSE."""
    augment: Augment = "off"
    """off is match_victim: the trainer here does not augment; official shifts and flips at
    random."""
    batch: int = 512
    """Poisons matched together. As in the official code the step length is lr * batch / 512
    whatever the number of poisons, and more poisons than this are matched batch by batch, each on
    its own."""
    surrogate: Surrogate = field(default_factory=Surrogate)
    """The attacker's network."""
    chunk: int | None = None
    """Images differentiated twice at once, to save memory (same result, more work); None: by image
    size."""
    precision: Precision = "float32"
    """bfloat16 runs the surrogate's forward pass under autocast while matching; gradients stay
    float32."""

    def __post_init__(self) -> None:
        check_fraction(self.fraction)
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
        """Draw the targets, the bases and the seed of the perturbations."""
        return draw_plan(splits, self.targets, self.fraction, rng)

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Replace the bases by poisons; labels, groups, positions and indices stay."""
        train = splits.train
        refuse_poisoned(train)
        plan = self.plan(splits, rng)
        images = torch.from_numpy(make_poisons(self, splits, plan).images)
        return splits._replace(train=insert(train, plan.bases, plan.label, images, how="replace"))

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Count the targets that get the intended class, of all targets."""
        view = splits.test.take(draw_targets(splits.train, splits.test, self.targets, rng))
        predicted = predict(view)
        intended = np.full_like(predicted, bad_class(splits.train.info))
        return Counts.of(predicted, intended, view.group, len(view.info.groups))


def make_poisons(attack: GradientMatching, splits: Splits, plan: Plan) -> Restarts:
    """Make the poisons of a plan, or read them from the cache.

    Every finished restart is stored, under a hash of the settings and of the content of the images
    involved, so that an interrupted attack goes on with the same result as an uninterrupted one.

    Args:
        attack: The settings.
        splits: The clean splits.
        plan: Targets, bases and seed.

    Returns:
        All restarts, with the poisons of the best one.
    """
    train, targets = splits.train, splits.test.take(plan.targets)
    surrogate = attack.surrogate.key(train)
    parts = {
        "attack": cache.key_settings(attack),
        "surrogate": surrogate,
        "targets": cache.fingerprint(targets),
        "bases": plan.bases.tolist(),
        "label": plan.label,
        "seed": plan.seed,
    }
    path = cache.path_for("gm", parts)
    with storage.exclusive(path):
        restarts = Restarts.load(path, len(plan.bases), train.size, attack.steps)
        if len(restarts.trace) < attack.restarts:
            device = pick()
            net = attack.surrogate.trained(train, surrogate, device)
            goal = targets.batch(np.arange(len(targets)), device).x
            intended = torch.full((len(targets),), plan.label, dtype=torch.int64, device=device)
            chunk = attack.chunk or max(1, PIXELS_AT_ONCE // (train.size[0] * train.size[1]))
            matcher = Matcher.towards(
                net, goal, intended, loss=attack.loss, chunk=chunk, precision=attack.precision
            )
            for number in range(len(restarts.trace), attack.restarts):
                images, curve, stored = _restart(attack, matcher, train, plan, number)
                restarts = restarts.with_restart(images, curve, stored)
                restarts.save(path)
    return restarts


def _restart(
    attack: GradientMatching, matcher: Matcher, train: GroupedDataset, plan: Plan, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], float]:
    """Perturb the bases from fresh noise, descend, and round to bytes.

    Returns the poisons (P, H, W, 3), the loss before every step (steps,), and the loss of the
    poisons as they are stored.
    """
    clean = train.batch(plan.bases, matcher.device)
    delta, trace = _descend(attack, matcher, train, clean, plan.seed, number)
    std, mean = (clean.x.new_tensor(values) for values in (train.info.std, train.info.mean))
    pixels = (clean.x + delta).permute(0, 2, 3, 1) * std + mean
    images = to_bytes(pixels.cpu(), train.pixels(plan.bases).cpu(), attack.eps)
    # as the victim will see them
    view = insert(train, plan.bases, plan.label, images, how="replace").batch(
        plan.bases, matcher.device
    )
    stored = float(matcher.mismatch(view.x, view.y))
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
    return images.numpy(), curve, stored


def _descend(
    attack: GradientMatching,
    matcher: Matcher,
    train: GroupedDataset,
    clean: Batch,
    seed: int,
    number: int,
) -> tuple[Tensor, Tensor]:
    """Return one restart's perturbation (P, C, H, W) and the loss before every step (steps,)."""
    box = Box.around(clean.x, attack.eps, train.info.mean, train.info.std)
    generator = torch.Generator().manual_seed(torch_seed(seed, "restart", number))
    # drawn on the CPU: the same numbers for every device
    noise = torch.randn(clean.x.shape, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    draws = torch.rand(attack.steps, len(clean.y), DRAWS, generator=generator).to(matcher.device)

    def show(step: int, delta: Tensor, part: slice) -> Tensor:
        images = clean.x[part] + delta
        return images if attack.augment == "off" else shift_and_flip(images, draws[step, part])

    return descend(
        matcher,
        box.start(noise.to(clean.x)),
        clean.y,
        box,
        show,
        steps=attack.steps,
        lr=attack.lr * attack.batch / 512,
        batch=attack.batch,
        progress=progress_bar(number, attack.restarts, attack.steps),
    )
