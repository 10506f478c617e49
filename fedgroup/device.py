"""Which device this process computes on: no part of a spec, but recorded with every run."""

import os

import torch

from fedgroup.errors import FedgroupError

VARIABLE = "FEDGROUP_DEVICE"
"""Environment variable that names the device."""
CORES = "FEDGROUP_CORES"
"""Environment variable that limits the cores of this process."""


def pick() -> torch.device:
    """Return the device named by $FEDGROUP_DEVICE (cpu, cuda, cuda:1), else CUDA or CPU."""
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
    """Return the name of the hardware behind a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def cores() -> int:
    """Return the cores this process may use: $FEDGROUP_CORES if it is set, else all there are."""
    limit = os.environ.get(CORES, "")
    if limit.isdigit() and int(limit):
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
