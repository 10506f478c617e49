"""Models: torchvision's ResNet-18/50 and the small backbone that starts from the embedded weights.

A model component is a frozen dataclass with `build(classes, seed)`. Every model ends in a linear
layer `fc` on globally pooled features, so features() works on all of them.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.errors import FedgroupError
from fedgroup.guards.component_results import checked_model
from fedgroup.guards.surroundings import component_call, name_of
from fedgroup.host.downloaded_weights import refuse_damaged, weights_cache
from fedgroup.layout import refuse_unsent
from fedgroup.seeding import torch_seed
from fedgroup.spec import Component
from fedgroup.starting_weights import load_weights, weights_file, weights_files

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
        A fresh network; equal arguments give equal weights, also where the component draws them
        from a global random stream.

    Raises:
        FedgroupError: The component gives no network, or one that could not be sent exactly.
    """
    with component_call(component, "build", seed):
        built = component.build(classes, seed)
    net = checked_model(name_of(component, "build"), built)
    refuse_unsent(net)
    net = net.to(device)
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

    place_settings: ClassVar[tuple[str, ...]] = ("init",)

    init: str = "pretext"
    """pretext (shipped weights, class-free task), scratch, or a .safetensors / .pt file."""

    def files(self) -> list[Path]:
        """Return the file of starting weights, where `init` names one."""
        return weights_files(self.init, "pretext", "scratch")

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
            load_weights(net, weights_file(self.init, "pretext, scratch"))
        return net


def _torchvision(name: str, init: str, classes: int, seed: int) -> nn.Module:
    import torchvision  # a heavy import that only these models need

    weights = None
    if init == "imagenet":
        weights = getattr(
            torchvision.models, f"ResNet{name.removeprefix('resnet')}_Weights"
        ).IMAGENET1K_V1
        refuse_damaged(weights_cache() / Path(weights.url).name)
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
        load_weights(net, weights_file(init, "imagenet, scratch"))
    return net


@dataclass(frozen=True)
class ResNet18:
    """torchvision's ResNet-18 with a fresh last layer (11,177,538 parameters for two classes).

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    place_settings: ClassVar[tuple[str, ...]] = ("init",)

    init: str = "imagenet"
    """imagenet (torchvision's V1 weights), scratch, or a local weights file."""

    def files(self) -> list[Path]:
        """Return the file of starting weights, where `init` names one."""
        return weights_files(self.init, "imagenet", "scratch")

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return the network with the weights that `init` names and a fresh last layer."""
        return _torchvision("resnet18", self.init, classes, seed)


@dataclass(frozen=True)
class ResNet50:
    """torchvision's ResNet-50 with a fresh last layer (23,512,130 parameters for two classes).

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    place_settings: ClassVar[tuple[str, ...]] = ("init",)

    init: str = "imagenet"
    """imagenet (torchvision's V1 weights), scratch, or a local weights file."""

    def files(self) -> list[Path]:
        """Return the file of starting weights, where `init` names one."""
        return weights_files(self.init, "imagenet", "scratch")

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return the network with the weights that `init` names and a fresh last layer."""
        return _torchvision("resnet50", self.init, classes, seed)


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
