"""What a run on this machine would rest on, item by item."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

import fedgroup
from clients.ray_host import short_folder
from experiments.console import make_console
from experiments.launch.agreement import agreement
from experiments.launch.folder_health import folder_health, weights_health
from experiments.launch.memory_estimate import PROCESS, available_bytes
from fedgroup.device import CORES, VARIABLE, cores, describe, pick
from fedgroup.errors import FedgroupError
from fedgroup.host.namesakes import namesakes
from fedgroup.runs.environment import environment
from fedgroup.storage import cache_dir

NEEDED = ("torch", "torchvision", "numpy", "flwr", "ray")
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", VARIABLE, CORES)
"""Variables that change what a run may use."""


@dataclass(frozen=True)
class Finding:
    """One item: its name, what it is, and whether it is fit."""

    name: str
    text: str
    fit: bool = True


def print_findings(results: Path, quick: bool) -> int:
    """Print every finding as soon as it is made; return the exit code, 1 where one is unfit.

    Args:
        results: Folder that runs would write to.
        quick: Leave out workers and Flower.
    """
    console, unfit = make_console(), []
    for finding in findings(results, quick):
        mark = "[green]fit[/green]  " if finding.fit else "[red]unfit[/red]"
        console.print(mark, end=" ")
        line = f"{finding.name:<10} {finding.text}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
        if not finding.fit:
            unfit.append(finding.name)
    if unfit:
        console.print(f"Not fit for runs: {', '.join(unfit)}", soft_wrap=True, markup=False)
    return 1 if unfit else 0


def findings(results: Path, quick: bool) -> Iterator[Finding]:
    """Examine item by item; what fails is unfit, with its reason.

    Args:
        results: Folder that runs would write to.
        quick: Leave out workers and Flower.
    """
    items: dict[str, Callable[[], str]] = {
        "versions": versions,
        "code": code,
        "threads": threads,
        "BLAS": blas,
        "device": device,
        "memory": memory,
        "results": lambda: folder_health(results),
        "cache": lambda: folder_health(cache_dir(), cached=True),
        "weights": weights_health,
        "Ray": lambda: f"its sockets lie in {short_folder()}",
        "runs": lambda: agreement(quick),
    }
    for name, examine in items.items():
        try:
            yield Finding(name, examine())
        except FedgroupError as error:
            yield Finding(name, str(error), fit=False)
        except Exception as error:  # whatever it is, the other items are worth knowing
            yield Finding(name, f"{type(error).__name__}: {error}".splitlines()[0], fit=False)


def versions() -> str:
    """Return the versions of Python and of what runs rest on."""
    found = environment()["packages"]
    missing = [name for name in NEEDED if found[name] == "not installed"]
    if missing:
        raise FedgroupError(f"{', '.join(missing)} not installed: pip install {' '.join(missing)}")
    listed = ", ".join(f"{name} {number}" for name, number in found.items())
    return f"Python {sys.version.split()[0]}, {listed}"


def code() -> str:
    """Say where our code lies and what in the current folder has the name of something else."""
    home = Path(fedgroup.__file__).resolve().parents[1]
    own = Path(__file__).resolve().parents[2]
    if home != own:
        raise FedgroupError(
            f"fedgroup is {home}, experiments {own}: two copies are mixed; see PYTHONPATH"
        )
    hidden = namesakes(Path.cwd())
    text = f"{home}, commit {environment()['commit']}"
    return text + (f"; here {'; '.join(hidden)}" if hidden else "")


def threads() -> str:
    """Say how many cores there are and what limits them."""
    set_ = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    limits = f", {', '.join(set_)}" if set_ else ""
    return f"{cores()} cores for runs; a client trains on --threads (1){limits}"


def blas() -> str:
    """Return the libraries of linear algebra, their versions and their threads."""
    used = {
        f"{pool['internal_api']} {pool['version'] or ''}".strip() + f" ({pool['num_threads']})"
        for pool in threadpool_info()
    }
    mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    has = "MKL" if mkl else "no MKL"
    return f"{', '.join(sorted(used))} threads by default; torch has {has}"


def device() -> str:
    """Return the device that runs would compute on."""
    chosen = pick()
    return f"{chosen} ({describe(chosen)})"


def memory() -> str:
    """Return the free memory; refuse less than two runs need before they load anything."""
    free = available_bytes()
    if free < 2 * PROCESS:
        raise FedgroupError(
            f"{free / 2**30:.1f} GiB of memory are free, a run takes {PROCESS / 2**30:.1f} GiB "
            f"before its data: stop something, or use --jobs 1"
        )
    return f"{free / 2**30:.1f} GiB free"
