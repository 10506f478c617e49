"""The proximal term of FedProx, which holds a client near the weights that it started from.

    h(w) = F(w) + mu/2 ||w - w_t||^2

F: what training minimises; w_t: the weights before it; mu: `task.train.proximal_mu`. Li, Sahu,
Zaheer, Sanjabi, Talwalkar, Smith, "Federated optimization in heterogeneous networks", MLSys 2020,
algorithm 2.

Departures: the term enters by its gradient mu (w - w_t), so that losses are those of F alone. The
norm is squared, as in the paper; the client code in Flower's documentation adds plain norms.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from fedgroup.errors import FedgroupError


def parameter_copies(model: nn.Module) -> list[torch.Tensor]:
    """Return copies of a model's parameters: a w_t to go on with when training is resumed."""
    return [parameter.detach().clone() for parameter in model.parameters()]


def proximal_pull(
    model: nn.Module, mu: float, anchor: Sequence[torch.Tensor] | None, fresh: bool
) -> Callable[[], None]:
    """Return what adds mu (w - w_t) to the gradients of a model.

    Args:
        model: The model in training.
        mu: Weight of the term; with 0 nothing is done.
        anchor: w_t, one tensor per parameter; None: the parameters as they are now.
        fresh: Whether training begins here, so that the parameters are w_t.

    Returns:
        A function to call after every backward pass; a parameter without gradient is left alone.

    Raises:
        FedgroupError: Training goes on from a state and nobody says what w_t was.
    """
    if mu == 0:
        return lambda: None
    if anchor is None and not fresh:
        raise FedgroupError("training with proximal_mu goes on from a state: give its anchor")
    parameters = list(model.parameters())
    centre = parameter_copies(model) if anchor is None else list(anchor)

    def pull() -> None:
        for parameter, start in zip(parameters, centre, strict=True):
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - start, alpha=mu)

    return pull
