"""Seconds per round and pictures per second of fedgroup, Flower's stock simulation, pfl, BlazeFL
and plain PyTorch.

    make bench-rounds       no-op and real rounds, CNN and ResNet-18 (under 15 minutes)
    python -m benchmarks.bench_rounds --quick    the CNN only (about 2 minutes)

Every contender is a process of its own that holds its data and model and waits. Contenders then
take turns, a block of rounds each, one running at a time (A B C A B C ...). The first turn warms
up; tables give the median of the others and the median of the same-repetition ratios. fedgroup's
rounds run the whole server
path: strategy, validation, aggregation, records and a checkpoint per round; evaluation is
subtracted. pfl's and the plain loop's rounds end with the new weights.
"""

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import rounds_install
from benchmarks.rounds_case import Case, flat
from benchmarks.rounds_tables import (
    BFLOAT16,
    BLAZEFL,
    FLOWER,
    MANY,
    OURS,
    PFL,
    PLAIN,
    WORKERS,
    Race,
    aims,
    overhead_table,
    training_table,
)
from benchmarks.rounds_turns import Contender, busy


def run_race(case: Case, lineup: dict[str, tuple[str | None, str, Case]], threads: int) -> Race:
    """Start every contender, wait until all are ready, let them take turns, and end them."""
    race = Race(case)
    with tempfile.TemporaryDirectory(prefix="bench-rounds-") as scratch:
        contenders: list[Contender] = []
        try:
            for label, (python, module, own) in lineup.items():
                if python is None:
                    race.reasons[label] = module
                    continue
                contenders.append(
                    Contender(label, python, module, own.to_json(), Path(scratch), threads)
                )
            for contender in contenders:
                contender.wait_ready()
            idle = busy()
            print(
                f"  (with all waiting, {idle:.0%} of the cores are busy)"
                if idle is not None
                else ""
            )
            for turn in range(case.blocks):
                for contender in contenders:
                    answer = contender.turn()
                    if answer is not None and turn:
                        race.answers.setdefault(contender.label, []).append(answer)
            compare(race, contenders)
        finally:
            for contender in contenders:
                contender.close()
        for contender in contenders:
            if contender.reason is not None:
                race.reasons[contender.label] = contender.reason
                race.answers.pop(contender.label, None)
    return race


def compare(race: Race, contenders: list[Contender]) -> None:
    """How far the others' final parameters are from ours: the same work gives (nearly) the same
    weights.

    pfl takes a shard in file order and averages differences; BatchNorm lets that rounding grow to
    percents.
    """
    found = {c.label: np.load(c.theta) for c in contenders if c.theta.exists() and c.reason is None}
    if not race.case.train or OURS not in found:
        return
    ours = found[OURS]
    moved = float(np.abs(ours - flat(race.case.network())).max())
    for label, theta in found.items():
        race.distance[label] = float(np.abs(theta - ours).max()) / moved


def lineup(
    case: Case, pfl: tuple[str | None, str], blazefl: tuple[str | None, str], bfloat16: bool
) -> dict[str, Any]:
    """Label -> (python, module, its case), or (None, reason, case) for one that cannot run."""
    own = sys.executable
    half = replace(case, precision="bfloat16")
    slow = (
        None
        if bfloat16
        else "this machine computes bfloat16 in software, ten times slower (--bfloat16 does)"
    )
    entries: dict[str, tuple[str | None, str, Case]] = {OURS: (own, "rounds_fedgroup", case)}
    if case.train:
        entries[BFLOAT16] = (None, slow, half) if slow else (own, "rounds_fedgroup", half)
        entries[WORKERS] = (own, "rounds_fedgroup", replace(case, workers=2))
    elif case.model == "cnn":
        many = replace(case, clients=10_000, samples=1)
        entries[MANY] = (own, "rounds_fedgroup", many)
    entries[PLAIN] = (own, "rounds_plain", case)
    for label, (python, reason), module in (
        (PFL, pfl, "rounds_pfl"),
        (BLAZEFL, blazefl, "rounds_blazefl"),
    ):
        entries[label] = (python, module if python else reason, case)
    if case.train and not slow:
        entries[f"{PLAIN} bfloat16"] = (own, "rounds_plain", half)
        entries[f"{PFL} bfloat16"] = (pfl[0], "rounds_pfl" if pfl[0] else pfl[1], half)
    entries[FLOWER] = (own, "rounds_flower", case)
    return entries


def has_bfloat16() -> bool:
    """Whether the device has bfloat16 instructions."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)


def facts(threads: int) -> None:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    names = ("torch", "flwr", "ray", "numpy")
    print(
        f"# Rounds\n\n{platform.machine()}, {os.cpu_count()} cores, {device}, {threads} thread(s) "
        f"per process; Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )
    load = os.getloadavg()[0]
    print(
        f"Load average at the start {load:.2f}: "
        + ("quiet." if load < 0.5 else "others use this machine.")
    )


def cases(quick: bool) -> dict[str, Case]:
    cnn = Case(model="cnn", size=32, blocks=4 if quick else 6)
    found = {
        "cnn no-op": replace(cnn, train=False, rounds=10 if quick else 20),
        "cnn training": replace(cnn, rounds=2 if quick else 5),
    }
    if not quick:
        large = Case(model="resnet18", size=64, blocks=5)
        found["resnet18 no-op"] = replace(large, train=False, samples=1, rounds=3)
        found["resnet18 training"] = replace(large, clients=20, per_round=2, rounds=2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--epochs", type=int, default=1, help="local epochs of a client (default 1)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads of every process (default 1)"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="measure it even where it runs in software"
    )
    args = parser.parse_args()
    pfl, blazefl = rounds_install.pfl(), rounds_install.blazefl()
    facts(args.threads)
    bfloat16 = args.bfloat16 or has_bfloat16()
    races = {}
    for name, plain in cases(args.quick).items():
        case = replace(plain, epochs=args.epochs)
        print(
            f"\n## {name}: {case.per_round} of {case.clients} clients x {case.samples} images "
            f"of {case.size} px, {case.blocks - 1} repetitions of {case.rounds} rounds\n",
            flush=True,
        )
        races[name] = run_race(case, lineup(case, pfl, blazefl, bfloat16), args.threads)
        (training_table if case.train else overhead_table)(races[name])
        sys.stdout.flush()
    aims(races)


if __name__ == "__main__":
    main()
