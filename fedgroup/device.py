"""Which device this process computes on. Not part of a spec: it is recorded with the run instead."""

import os

import torch

from fedgroup.errors import FedgroupError

VARIABLE = "FEDGROUP_DEVICE"


def pick() -> torch.device:
    """The device named by $FEDGROUP_DEVICE (cpu, cuda, cuda:1, mps), else CUDA where there is one."""
    name = os.environ.get(VARIABLE, "auto")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FedgroupError(
            f"device '{name}' is not usable here ({reason}): use cpu, cuda or auto"
        ) from error
    return device


def describe(device: torch.device) -> str:
    """Name of the hardware behind a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
