"""Check and measure fedgroup on a GPU in under eight minutes; one block to paste into
docs/results/gpu.md.

    python -m benchmarks.gpu_check [--out FILE] [--tiny]

Three steps: the tests marked gpu; the trainer against a plain PyTorch loop; two rows of Table 9 at
scale gpu, cut to three rounds, on pictures of noise with Waterbirds' group counts and a ResNet-18
from scratch (neither needs a download; the accuracies mean nothing). Without a GPU every command
runs once on the CPU at tiny size, so that the script is known to work, and the exit code is 0 where
all of them did.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from fedgroup.dataset import GroupedDataset, GroupInfo, Splits
from fedgroup.device import cores, describe, pick
from fedgroup.seeding import rng

ROOT = Path(__file__).parent.parent
COUNTS = {
    "train": (3498, 184, 56, 1057),
    "val": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}
"""Waterbirds' samples per group."""
ROWS = ("FedAvg", "Trimmed mean")
LIMIT = 240.0
"""Seconds after which a step is stopped and reported as too slow."""


@dataclass(frozen=True)
class Noise:
    """Pictures of noise with Waterbirds' groups, brighter for the second class."""

    size: int = 224
    """Side in pixels."""
    share: float = 1.0
    """Share of Waterbirds' samples, at least two a group."""

    def load(self) -> Splits:
        """Draw the three splits."""
        info = GroupInfo(
            name="noise",
            classes=("land bird", "water bird"),
            groups=("land/land", "land/water", "water/land", "water/water"),
            tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            train_counts=tuple(self._counts("train")),
        )
        parts = []
        for name in Splits._fields:
            group = np.repeat(np.arange(4), self._counts(name))
            pixels = rng(0, "noise", name).integers(
                0, 200, (len(group), self.size, self.size, 3), dtype=np.uint8
            )
            pixels[group // 2 == 1] += 55
            bank = torch.from_numpy(pixels)
            parts.append(GroupedDataset.clean(bank, np.arange(len(group)), group // 2, group, info))
        return Splits(*parts)

    def _counts(self, split: str) -> list[int]:
        return [max(2, round(self.share * count)) for count in COUNTS[split]]


@dataclass(frozen=True)
class Step:
    """One command and what came of it."""

    name: str
    command: tuple[str, ...]
    code: int
    seconds: float
    output: str

    @property
    def verdict(self) -> str:
        """ok, or why not."""
        return "ok" if self.code == 0 else f"exit code {self.code}"

    def tail(self, lines: int) -> list[str]:
        """The last lines that were printed."""
        return [line for line in self.output.splitlines() if line.strip()][-lines:]


def run_step(name: str, *command: str) -> Step:
    """Run a Python command in the repository; its output is kept and shown."""
    print(f"== {name}: python {' '.join(command)}", flush=True)
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        kept = late.stdout or b""
        code, output = 124, kept.decode() if isinstance(kept, bytes) else kept
    step = Step(name, command, code, time.perf_counter() - start, output)
    print("\n".join(step.tail(12)), f"\n== {step.verdict}, {step.seconds:.0f} s", flush=True)
    return step


def bench(model: str, tiny: bool, precision: str = "float32") -> Step:
    """The trainer against a plain loop; sizes at which a GPU is busy."""
    sizes = ["--size", "224" if model == "resnet18" else "32"]
    sizes += ["--samples", "1024", "--batch", "128", "--repeats", "5"]
    if tiny:
        sizes = ["--size", "32", "--samples", "16", "--batch", "8", "--repeats", "1"]
    options = ("--model", model, *sizes, "--precision", precision)
    return run_step(f"trainer, {model}, {precision}", "-m", "benchmarks.bench_train", *options)


def table_row(label: str, tiny: bool) -> None:
    """Run one row of Table 9 at scale gpu, cut to three rounds, and print its times and memory."""
    from experiments.run import run
    from experiments.tables.load import load

    settings = ["task.model.init=scratch", "federation.rounds=3", "federation.eval_every=3"]
    settings.append(f"task.data={{use: 'benchmarks.gpu_check:Noise', size: {32 if tiny else 224}}}")
    if tiny:
        settings += ["task.data.share=0.02", "task.train.epochs=1"]
        settings += ["task.partition.clients=20", "federation.fraction=0.25"]
    table = load("table9", "gpu", [0], None, settings)
    row = next(row for row in table.rows if label in row.label.values())
    with tempfile.TemporaryDirectory() as results:
        start = time.perf_counter()
        folder = run(row.experiments[0], Path(results))
        whole = time.perf_counter() - start
        lines = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
    parts = ("train", "transfer", "aggregate", "evaluate")
    rounds = [sum(float(line.get(part, 0)) for part in parts[:3]) for line in lines[1:]]
    last = ", ".join(f"{part} {float(lines[-1].get(part, 0)):.2f}" for part in parts)
    memory = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    print(
        f"{label}: {statistics.median(rounds):.2f} s a round (median of {len(rounds)}, without "
        f"evaluation); last round in seconds: {last}; {whole:.0f} s in all; "
        f"{memory:.2f} GiB of GPU memory at most"
    )


def machine() -> str:
    """Device, processor cores and versions."""
    device = pick()
    name = describe(device)
    if device.type == "cuda":
        name += f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    versions = f"torch {torch.__version__}, fedgroup {version('fedgroup')}"
    return f"{name}; {cores()} cores; {versions}; Python {sys.version.split()[0]}"


def block(steps: Sequence[Step]) -> str:
    """What to paste: the machine, then every command with its outcome and last lines."""
    whole = sum(step.seconds for step in steps)
    out = [f"`make gpu-check` on {machine()} ({whole:.0f} s):", ""]
    for step in steps:
        out += [f"- {step.name}: {step.verdict}, {step.seconds:.0f} s", "", "      "]
        out[-1] = "\n".join(f"      {line.strip()}" for line in step.tail(4))
        out.append("")
    return "\n".join(out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all steps and print the block; returns 1 where one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="write the block to this file too")
    parser.add_argument("--tiny", action="store_true", help="the tiny sizes, also on a GPU")
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    gpu = torch.cuda.is_available()
    tiny = args.tiny or not gpu
    if args.row:
        table_row(args.row, tiny)
        return 0
    if not gpu:
        os.environ.setdefault("FEDGROUP_DEVICE", "cpu")
        print("No GPU here: every command runs once on the CPU at tiny size (a dry run).")
    shrunk = ["--tiny"] if args.tiny else []
    steps = [
        run_step("tests marked gpu", "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"),
        bench("small", tiny),
        bench("resnet18", tiny),
        *([bench("resnet18", tiny, "bfloat16")] if gpu else []),
        *(
            run_step(f"Table 9, {row}", "-m", "benchmarks.gpu_check", "--row", row, *shrunk)
            for row in ROWS
        ),
    ]
    text = block(steps)
    print("\n" + text)
    if args.out:
        args.out.write_text(text)
    return int(any(step.code for step in steps))


if __name__ == "__main__":
    sys.exit(main())
