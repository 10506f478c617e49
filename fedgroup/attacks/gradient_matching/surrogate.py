"""The attacker's own network: trained on the clean training set, then fixed.

Geiping et al., ICLR 2021, section 3: the victim's gradients are predicted with a network of the
attacker's. Theirs is trained from scratch; ours starts from the model's weights (fine-tuning, where
the model is pretrained), because the paper does not say how its surrogate was trained.
"""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fedgroup import cache, model, storage
from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.frozen import frozen_digest
from fedgroup.layout import Weights, read, write
from fedgroup.seeding import rng
from fedgroup.spec import component
from fedgroup.train import TrainConfig, fit

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class SurrogateTraining(TrainConfig):
    """Plain training (ERM) of the surrogate, to the last epoch."""

    epochs: int = 30
    """Passes over the clean training set."""
    lr: float = 1e-3
    """Learning rate of SGD, constant."""
    weight_decay: float = 1e-4
    """Coupled L2 on all parameters."""


@dataclass(frozen=True)
class Surrogate:
    """What the attacker trains to predict the victim's gradients."""

    model: Any = component(model.NAMES, "small")
    """Network and its starting weights; the paper's attack uses resnet18."""
    train: SurrogateTraining = field(default_factory=SurrogateTraining)
    """How it is trained."""
    seed: int = 0
    """Seeds its last layer and its shuffles; attacks of all seeds share one surrogate."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise FedgroupError(f"the surrogate's seed must be at least 0, got {self.seed}")

    def key(self, train: GroupedDataset) -> str:
        """Return 16 hex digits of all that the trained weights depend on.

        That is the settings, the starting weights and the content of the training set.
        """
        cpu = torch.device("cpu")
        net = model.build_model(self.model, len(train.info.classes), self.seed, cpu)
        start = read(net)
        digest = hashlib.sha256(json.dumps(cache.key_settings(self), sort_keys=True).encode())
        for array in start.arrays().values():
            digest.update(array.tobytes())
        digest.update(frozen_digest(net).encode())
        digest.update(cache.fingerprint(train).encode())
        return digest.hexdigest()[:16]

    def trained(self, train: GroupedDataset, key: str, device: torch.device) -> nn.Module:
        """Return the trained network, from the cache or trained now and stored.

        Args:
            train: The clean training set.
            key: What `key` returns for it.
            device: Where the network is put.

        Returns:
            The network with its trained weights.

        Raises:
            FedgroupError: The training diverged.
        """
        net = model.build_model(self.model, len(train.info.classes), self.seed, device)
        path = cache.path_for("surrogate", {"key": key})
        with storage.exclusive(path):
            stored = storage.load_cached(path, {"theta", "buffers", "counters"})
            if stored is None or not _filled(net, stored, path):
                _LOG.info(
                    "training the surrogate: %d epochs on %d samples", self.train.epochs, len(train)
                )
                fitted = fit(net, train, self.train, rng(self.seed, "surrogate"), device)
                if not np.isfinite(fitted.losses[-1]):
                    raise FedgroupError(
                        f"the surrogate's training diverged (loss {fitted.losses[-1]}): "
                        f"lower surrogate.train.lr, it is {self.train.lr:g}"
                    )
                storage.save_cached(path, dict(read(net).arrays()))
        return net


def _filled(net: nn.Module, stored: storage.Arrays, path: Path) -> bool:
    try:
        write(net, Weights.from_arrays(stored))
    except FedgroupError as error:
        storage.warn_damaged(path, error)
        return False
    return True
