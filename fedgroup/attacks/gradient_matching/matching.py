"""What gradient matching minimises, and its gradient.

Geiping et al., ICLR 2021 (Witches' Brew), section 3. With g_t the gradient of the targets' loss
towards the intended class and g_p(delta) the gradient of the perturbed images' loss under their
true labels, both over all parameters of a fixed network in evaluation mode,

    minimise over delta   1 - <g_t, g_p(delta)> / (||g_t|| ||g_p(delta)||),   |delta_c| <= eps_c.

One cosine over all parameters together; delta's gradient takes a second backward pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.errors import FedgroupError

Gradient = tuple[Tensor, ...]
"""One tensor per parameter of the network, in its order."""
Loss = Literal["similarity", "cosine1", "scalar_product", "SE", "MSE"]
Precision = Literal["float32", "bfloat16"]


def mismatch(loss: Loss, target: Sequence[Tensor], poison: Sequence[Tensor]) -> Tensor:
    """Return how far the poisons' gradient is from the targets', to be minimised.

    similarity: 1 - cosine of the whole gradients, in [0, 2]. The others are divided by ||g_t||, a
    constant: cosine1 is minus the sum of the tensors' own cosines, scalar_product -<g_t, g_p>, SE
    half the squared error, MSE the sum over tensors of the mean squared error.

    Args:
        loss: Which of them.
        target: g_t, one tensor per parameter.
        poison: g_p, one tensor per parameter.

    Returns:
        A scalar that can be differentiated with respect to `poison`.
    """
    pairs = list(zip(target, poison, strict=True))
    target_norm = _norm(target)
    if loss == "similarity":
        return 1 - _dot(pairs) / (target_norm * _norm(poison))
    if loss == "scalar_product":
        return -_dot(pairs) / target_norm
    if loss == "cosine1":
        cosines = [(t * p).sum() / (t.norm() * p.norm()).clamp_min(1e-8) for t, p in pairs]
        return -torch.stack(cosines).sum() / target_norm
    squares = [0.5 * (t - p).square().sum() if loss == "SE" else F.mse_loss(p, t) for t, p in pairs]
    return torch.stack(squares).sum() / target_norm


def _dot(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in pairs]).sum()


def _norm(gradient: Sequence[Tensor]) -> Tensor:
    return torch.stack([part.square().sum() for part in gradient]).sum().sqrt()


@dataclass(frozen=True)
class Matcher:
    """A fixed network and the gradient that images are to be matched to."""

    net: nn.Module
    """The surrogate, in evaluation mode."""
    target: Gradient
    """g_t."""
    loss: Loss = "similarity"
    """What is minimised."""
    chunk: int = 512
    """Most images that are differentiated twice at once; the result does not depend on it."""
    precision: Precision = "float32"
    """bfloat16 runs forward passes under autocast."""

    @classmethod
    def towards(
        cls,
        net: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss = "similarity",
        chunk: int = 512,
        precision: Precision = "float32",
    ) -> "Matcher":
        """Match the mean gradient of the targets for their intended classes.

        The network is put in evaluation mode: BatchNorm uses its running statistics, dropout is off
        (the official code leaves it on; the built-in models have none).

        Args:
            net: The surrogate.
            x: The targets, normalised, (T, C, H, W).
            y: Their intended classes, (T,) int64.
            loss: What is minimised.
            chunk: Most images that are differentiated at once.
            precision: bfloat16 runs forward passes under autocast.

        Returns:
            The network with g_t.

        Raises:
            FedgroupError: A parameter is frozen or unused, or g_t is zero or not finite.
        """
        net.eval()
        named = _trained_parameters(net)
        total: list[Tensor] | None = None
        for part in parts(slice(0, len(y)), chunk):
            entropy = _cross_entropy(net, x[part], y[part], precision) * (len(y[part]) / len(y))
            gradient = torch.autograd.grad(entropy, tuple(named.values()), allow_unused=True)
            for name, tensor in zip(named, gradient, strict=True):
                if tensor is None:
                    raise FedgroupError(
                        f"gradient matching cannot use {type(net).__name__} as surrogate: its "
                        f"parameter '{name}' does not take part in the output; remove it"
                    )
            if total is None:
                total = list(gradient)
            else:
                total = [a + b for a, b in zip(total, gradient, strict=True)]
        target = tuple(tensor.detach() for tensor in total or ())
        size = float(_norm(target))
        if not 0 < size < float("inf"):
            raise FedgroupError(
                f"the surrogate's gradient on the targets has norm {size:g}, so there is nothing "
                f"to match: train the surrogate with fewer epochs or a lower learning rate"
            )
        return cls(net, target, loss, chunk, precision)

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self.target[0].device

    def poison_gradient(self, x: Tensor, y: Tensor, graph: bool = False) -> Gradient:
        """Return the gradient of the mean cross-entropy of images over all parameters.

        Args:
            x: The images, normalised, (P, C, H, W).
            y: Their labels, (P,) int64.
            graph: Whether the gradient can be differentiated again.

        Returns:
            g_p, one tensor per parameter.
        """
        entropy = _cross_entropy(self.net, x, y, self.precision)
        return torch.autograd.grad(entropy, tuple(self.net.parameters()), create_graph=graph)

    def mismatch(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mismatch of the images x (P, C, H, W) with labels y (P,), a scalar."""
        return mismatch(
            self.loss, self.target, self._mean_gradient(lambda part: x[part], y, slice(0, len(y)))
        )

    def gradient(
        self, delta: Tensor, y: Tensor, show: Callable[[Tensor, slice], Tensor], batch: slice
    ) -> tuple[Tensor, Tensor]:
        """Return the mismatch of one batch of the P images and its gradient.

        A batch larger than `chunk` takes two passes: g_p without a graph and v = dL/dg_p first,
        then <v, g_part> is differentiated part by part. That is exact, as samples are independent
        in evaluation mode.

        Args:
            delta: The perturbations, (P, C, H, W).
            y: Labels of the images, (P,) int64.
            show: `show(delta[part], part)` gives the images of a slice as the network sees them.
            batch: Slice of the P images.

        Returns:
            The mismatch, a scalar, and its gradient with respect to delta[batch].
        """
        count = batch.stop - batch.start
        if count <= self.chunk:
            variable = delta[batch].detach().requires_grad_()
            poison = self.poison_gradient(show(variable, batch), y[batch], graph=True)
            loss = mismatch(self.loss, self.target, poison)
            return loss.detach(), torch.autograd.grad(loss, variable)[0]
        mean = self._mean_gradient(lambda part: show(delta[part], part), y, batch)
        leaves = [tensor.requires_grad_() for tensor in mean]
        loss = mismatch(self.loss, self.target, leaves)
        direction = torch.autograd.grad(loss, leaves)
        pieces = []
        for part in parts(batch, self.chunk):
            variable = delta[part].detach().requires_grad_()
            poison = self.poison_gradient(show(variable, part), y[part], graph=True)
            along = _dot(list(zip(direction, poison, strict=True))) * (len(variable) / count)
            pieces.append(torch.autograd.grad(along, variable)[0])
        return loss.detach(), torch.cat(pieces)

    def _mean_gradient(
        self, images: Callable[[slice], Tensor], y: Tensor, batch: slice
    ) -> list[Tensor]:
        """Return g_p of a batch, part by part and without a graph."""
        mean = [torch.zeros_like(tensor) for tensor in self.target]
        for part in parts(batch, self.chunk):
            weight = (part.stop - part.start) / (batch.stop - batch.start)
            for total, tensor in zip(
                mean, self.poison_gradient(images(part), y[part]), strict=True
            ):
                total.add_(tensor, alpha=weight)
        return mean


def _trained_parameters(net: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters by name; refuse a network without any, or with a frozen one."""
    named = dict(net.named_parameters())
    frozen = [name for name, parameter in named.items() if not parameter.requires_grad]
    if frozen or not named:
        what = f"its parameter '{frozen[0]}' is frozen" if frozen else "it has no parameters"
        raise FedgroupError(
            f"gradient matching cannot use {type(net).__name__} as surrogate: {what}; "
            f"all parameters must require gradients"
        )
    return named


def _cross_entropy(net: nn.Module, x: Tensor, y: Tensor, precision: Precision) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = net(x)
    return F.cross_entropy(logits.float() if precision == "bfloat16" else logits, y)


def parts(whole: slice, size: int) -> list[slice]:
    """Cut a slice into slices of at most `size`."""
    return [slice(at, min(at + size, whole.stop)) for at in range(whole.start, whole.stop, size)]
