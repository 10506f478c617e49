"""What of a model is in none of its vectors: frozen parameters and plain tensors of its modules.

It does not travel: server and clients build it alike, from the seed of the task, and say so with a
digest. Training must leave it alone, or what a client learned would be lost without a word.
"""

import copy
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout

_KNOWN = ("torch", "torchvision", "fedgroup")
"""Packages whose modules keep nothing of a training outside parameters and buffers."""


def frozen_digest(model: nn.Module) -> str:
    """Return 12 hex digits of all that does not travel; "" where everything does."""
    digest, some = hashlib.sha256(), False
    for name, tensor in _unsent(model):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(plain.shape)} {plain.dtype};".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
        some = True
    return digest.hexdigest()[:12] if some else ""


def model_hash(model: nn.Module) -> str:
    """Return what names a model's layout and, where part of it is frozen, the values of that."""
    layout, frozen = Layout.of(model).hash(), frozen_digest(model)
    return f"{layout}+{frozen}" if frozen else layout


def model_facts(model: nn.Module) -> dict[str, str]:
    """Return the hashes that a run records of its model: `layout`, and `frozen` where some is."""
    frozen = frozen_digest(model)
    return {"layout": Layout.of(model).hash(), **({"frozen": frozen} if frozen else {})}


def check_same_model(facts: Mapping[str, Any], model: nn.Module, folder: Path) -> None:
    """Refuse a model that is not the one whose `model_facts` a run recorded.

    Args:
        facts: What the run recorded.
        model: The model as it is built now.
        folder: The run directory, for the message.

    Raises:
        FedgroupError: Its layout or its frozen values differ.
    """
    now = model_facts(model)
    if facts["layout"] != now["layout"]:
        raise FedgroupError(
            f"{folder} belongs to another model layout: delete the folder and run it again"
        )
    if facts.get("frozen", "") != now.get("frozen", ""):
        raise FedgroupError(
            f"{folder} was made with other frozen weights ({facts.get('frozen', 'none')}, now "
            f"{now.get('frozen', 'none')}): has a weights file changed? delete the folder and run "
            f"it again"
        )


def _unsent(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            yield name, parameter
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}.{name}", value


class Frozen:
    """The frozen parameters of a model as they were, to be compared after training."""

    def __init__(self, model: nn.Module) -> None:
        """Copy them; a model without any costs nothing."""
        self._model = type(model).__name__
        self._before = {
            name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if not parameter.requires_grad
        }

    def check(self, model: nn.Module) -> None:
        """Refuse a model whose training changed a frozen parameter, or froze or freed one.

        Raises:
            FedgroupError: It did; such a value belongs into a buffer.
        """
        if not self._before and all(p.requires_grad for p in model.parameters()):
            return
        now = {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}
        for name in sorted(self._before.keys() ^ now.keys()):
            raise FedgroupError(
                f"{self._model} changed requires_grad of '{name}' while it trained: freeze "
                f"parameters in build()"
            )
        for name, before in self._before.items():
            if not torch.equal(before, now[name]):
                raise FedgroupError(
                    f"{self._model} changed its frozen parameter '{name}' while it trained, which "
                    f"does not travel: register it as a buffer"
                )


def fresh_copy(model: nn.Module) -> nn.Module:
    """Return a model for one training call: a copy, unless nothing but its vectors can change.

    The modules of a user may count calls or keep tensors of their own; one client must not meet
    what another one left there.
    """
    if all(type(module).__module__.split(".")[0] in _KNOWN for module in model.modules()):
        return model
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise FedgroupError(
            f"{type(model).__name__} cannot be copied ({error}): keep no tensor with a gradient "
            f"and no open file in it"
        ) from error
