"""Starting weights of a model from a file."""

from pathlib import Path

import torch
from torch import nn

from fedgroup.errors import FedgroupError, unknown


def weights_files(init: str, *names: str) -> list[Path]:
    """Return the weights file that `init` names; none where it is one of `names`."""
    return [] if init in names else [weights_file(init, ", ".join(names))]


def weights_file(name: str, valid: str) -> Path:
    """Return the weights file at the path `name`; refuse one that is not there, or no path."""
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
