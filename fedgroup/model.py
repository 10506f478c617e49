"""Models: torchvision's ResNet-18/50 and the small backbone that starts from the embedded weights.

A model component is a frozen dataclass with `build(classes, seed)`. Every model ends in a linear
layer `fc` on globally pooled features, so features() works on all of them.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.errors import FedgroupError, unknown
from fedgroup.seeding import torch_seed
from fedgroup.spec import Component

NAMES = {
    "small": "fedgroup.model:Small",
    "resnet18": "fedgroup.model:ResNet18",
    "resnet50": "fedgroup.model:ResNet50",
}
"""Models by short name; `my_pkg.mod:MyModel` works too."""


class Model(Component, Protocol):
    """A model component: settings that build a network."""

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return a fresh network, on the CPU; equal arguments give equal weights.

        Args:
            classes: Number of outputs, C.
            seed: Seed of the task; drawn weights depend on it alone.

        Returns:
            A network from images (B, 3, H, W) float32 to logits (B, C).
        """
        ...


def build_model(component: Model, classes: int, seed: int, device: torch.device) -> nn.Module:
    """Return a component's network on a device, channels last in memory where that is faster.

    Args:
        component: Settings of the model.
        classes: Number of outputs, C.
        seed: Seed of the task.
        device: Where the network goes.

    Returns:
        A fresh network; equal arguments give equal weights.
    """
    net = component.build(classes, seed).to(device)
    return net if device.type == "mps" else net.to(memory_format=torch.channels_last)


class Block(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut.

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016, figure 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to activations (B, `inputs`, H, W)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x), inplace=True)


class SmallResNet(nn.Module):
    """Ten-layer ResNet, widths 16-32-64-128, stride-2 stem: 0.31 M parameters, for 32 px images.

    Larger images are averaged down by a whole factor first: at their own scale the shipped
    features do not transfer (WGA stays at 0). Blocks as in He et al., CVPR 2016.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True)
        )
        widths = (16, 16, 32, 64, 128)
        self.body = nn.Sequential(
            *(Block(widths[i], widths[i + 1], 1 if i == 0 else 2) for i in range(len(widths) - 1))
        )
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, `classes`) of images (B, 3, H, W)."""
        factor = min(x.shape[-2:]) // 32
        if factor > 1:
            x = F.avg_pool2d(x, factor)
        out: Tensor = self.fc(self.body(self.stem(x)).mean((2, 3)))
        return out


@dataclass(frozen=True)
class Small:
    """The embedded backbone for small images."""

    init: str = "pretext"
    """pretext (shipped weights, class-free task), scratch, or a .safetensors / .pt file."""

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return the network with the weights that `init` names and a fresh last layer."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "init"))
            net = SmallResNet(classes)
        if self.init == "pretext":
            weights = resources.files("fedgroup") / "assets" / "small_pretext.safetensors"
            with resources.as_file(weights) as path:
                load_weights(net, path)
        elif self.init != "scratch":
            load_weights(net, _weights_file(self.init, "pretext, scratch"))
        return net


def _torchvision(name: str, init: str, classes: int, seed: int) -> nn.Module:
    import torchvision  # a heavy import that only these models need

    weights = None
    if init == "imagenet":
        weights = getattr(
            torchvision.models, f"ResNet{name.removeprefix('resnet')}_Weights"
        ).IMAGENET1K_V1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "init"))
        try:
            net: nn.Module = getattr(torchvision.models, name)(weights=weights)
        except OSError as error:
            raise FedgroupError(
                f"the ImageNet weights of {name} could not be downloaded ({error}); "
                f"put the file somewhere and set task.model.init=/path/to/{name}.pth, "
                f"or use init=scratch"
            ) from error
        net.fc = nn.Linear(net.fc.in_features, classes)  # type: ignore[union-attr, arg-type]
    if init not in ("imagenet", "scratch"):
        load_weights(net, _weights_file(init, "imagenet, scratch"))
    return net


@dataclass(frozen=True)
class ResNet18:
    """torchvision's ResNet-18 with a fresh last layer (11,177,538 parameters for two classes).

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    init: str = "imagenet"
    """imagenet (torchvision's V1 weights), scratch, or a local weights file."""

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return the network with the weights that `init` names and a fresh last layer."""
        return _torchvision("resnet18", self.init, classes, seed)


@dataclass(frozen=True)
class ResNet50:
    """torchvision's ResNet-50 with a fresh last layer (23,512,130 parameters for two classes).

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    init: str = "imagenet"
    """imagenet (torchvision's V1 weights), scratch, or a local weights file."""

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return the network with the weights that `init` names and a fresh last layer."""
        return _torchvision("resnet50", self.init, classes, seed)


def _weights_file(name: str, valid: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix in (".safetensors", ".pt", ".pth"):
        if path.is_file():
            return path
        raise FedgroupError(f"model init: no weights file at {path}")
    raise unknown("model init", name, [*valid.split(", "), "/path/to/weights.safetensors"])


def load_weights(net: nn.Module, path: Path) -> None:
    """Load a state dict into `net`, its last layer `fc` left fresh.

    Raises:
        FedgroupError: where the file is not readable, or its other entries are not those of `net`.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # every loader has its own exceptions for a broken file
        raise FedgroupError(f"{path} is not a readable weights file ({error})") from error
    if not isinstance(state, dict):
        raise FedgroupError(f"{path} holds a {type(state).__name__}, not a state dict of tensors")
    own = net.state_dict()
    stored = {name: value for name, value in state.items() if not name.startswith("fc.")}
    wanted = {name for name in own if not name.startswith("fc.")}
    if wanted != set(stored):
        odd = sorted(wanted ^ set(stored))
        raise FedgroupError(
            f"{path} does not fit this model: {len(odd)} entries differ, the first is '{odd[0]}'"
        )
    for name, value in stored.items():
        if value.shape != own[name].shape:
            raise FedgroupError(
                f"{path}: '{name}' has shape {tuple(value.shape)}, "
                f"this model needs {tuple(own[name].shape)}"
            )
    net.load_state_dict({**own, **stored})


def features(net: nn.Module, x: Tensor) -> Tensor:
    """Return the input of the last layer, (B, D): the globally pooled activations of `x`."""
    inputs: list[Tensor] = []
    fc: nn.Linear = net.fc  # type: ignore[assignment]
    handle = fc.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    try:
        net(x)
    finally:
        handle.remove()
    return inputs[0]
