"""The optimiser of gradient matching: signed Adam within a box."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fedgroup.attacks.gradient_matching.matching import Matcher, parts
from fedgroup.attacks.gradient_matching.perturbation import Box


def milestones(steps: int) -> tuple[int, int, int]:
    """Return after which steps the learning rate falls to a tenth.

    They are n // 2.667, n // 1.6 and n // 1.142, as in the official code.
    """
    return int(steps // 2.667), int(steps // 1.6), int(steps // 1.142)


def rates(steps: int, lr: float) -> list[float]:
    """Return the learning rate of every step."""
    return [lr * 0.1 ** sum(step >= at for at in milestones(steps)) for step in range(steps)]


def descend(
    matcher: Matcher,
    delta: Tensor,
    y: Tensor,
    box: Box,
    show: Callable[[int, Tensor, slice], Tensor],
    *,
    steps: int,
    lr: float,
    batch: int,
    progress: Callable[[int], None] = lambda step: None,
) -> tuple[Tensor, Tensor]:
    """Minimise the mismatch over the perturbations with signed Adam.

    Every batch is matched on its own; then all gradients are replaced by their signs, Adam takes
    one step and delta is clipped to its box.

    Args:
        matcher: The network and what is matched.
        delta: First perturbations, (P, C, H, W); changed in place.
        y: Labels of the images, (P,) int64.
        box: Where delta may lie.
        show: `show(step, delta[part], part)` gives the images of a slice in a step.
        steps: Number of updates.
        lr: First learning rate, in normalised pixels.
        batch: Images matched together.
        progress: Called with the number of updates done.

    Returns:
        delta, and the mean mismatch of the batches before every update, (steps,).
    """
    delta.grad = torch.zeros_like(delta)
    optimiser = torch.optim.Adam([delta], lr=lr)
    trace = delta.new_empty(steps)
    batches = parts(slice(0, len(y)), batch)
    for step, rate in enumerate(rates(steps, lr)):
        optimiser.param_groups[0]["lr"] = rate
        losses = []
        for part in batches:
            loss, delta.grad[part] = matcher.gradient(delta, y, partial(show, step), part)
            losses.append(loss)
        trace[step] = torch.stack(losses).mean()
        delta.grad.sign_()
        optimiser.step()
        torch.clamp(delta, box.low, box.high, out=delta)
        progress(step + 1)
    delta.grad = None
    return delta, trace
