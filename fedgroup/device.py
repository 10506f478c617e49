"""Which device this process computes on. Not part of a spec: it is recorded with the run instead."""

import os

import torch

from fedgroup.errors import FedgroupError

VARIABLE = "FEDGROUP_DEVICE"
CORES = "FEDGROUP_CORES"
BANK_SHARE = 0.25
"""Largest share of a GPU's free memory that a process fills with images."""


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


def cores() -> int:
    """Cores this process may use: $FEDGROUP_CORES where it is one of several, else all there are."""
    told = os.environ.get(CORES, "")
    if told.isdigit() and int(told):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def holds(device: torch.device, size: int) -> bool:
    """True where `size` bytes of images may live on the device; else batches travel one by one."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return size <= BANK_SHARE * free
