"""Pictures per second of fit() against a plain PyTorch loop over the same batches, interleaved.

    python -m benchmarks.bench_train [--samples 480] [--batch 48] [--size 32] [--model small]
    [--threads 1]

The plain loop gets the easiest life: float32 tensors normalised once, in memory, channels-last,
sliced in the same shuffled order, the same model and optimiser. fit() starts from uint8 images in a
bank and normalises every batch. Medians over the repetitions and the median of the pairwise ratios
are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from fedgroup import model
from fedgroup.dataset import GroupedDataset, GroupInfo
from fedgroup.device import pick
from fedgroup.seeding import rng
from fedgroup.spec import resolve
from fedgroup.train import TrainConfig, fit


def dataset(samples: int, size: int) -> GroupedDataset:
    generator = rng(0, "bench")
    bank = torch.from_numpy(generator.integers(0, 256, (samples, size, size, 3), dtype=np.uint8))
    info = GroupInfo("bench", ("a", "b"), ("a0", "a1", "b0", "b1"), {})
    y = generator.integers(0, 2, samples)
    return GroupedDataset.clean(bank, np.arange(samples), y, 2 * y, info)


def plain_loop(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, config: TrainConfig) -> None:
    optimiser = torch.optim.SGD(net.parameters(), lr=config.lr, momentum=config.momentum)
    net.train()
    generator = rng(0, "shuffle")
    for _ in range(config.epochs):
        order = torch.from_numpy(generator.permutation(len(y))).to(x.device)
        for start in range(0, len(y), config.batch_size):
            index = order[start : start + config.batch_size]
            with torch.autocast(
                x.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
            ):
                logits = net(x[index])
            loss = F.cross_entropy(logits.float(), y[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()


def seconds(call: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=480)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--model", default="small", choices=sorted(model.NAMES))
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    device = pick()
    data = dataset(args.samples, args.size).to(device)
    config = TrainConfig(epochs=args.epochs, batch_size=args.batch, precision=args.precision)
    nets = []
    for _ in range(2):
        net = resolve(model.NAMES, args.model)(init="scratch").build(2, 0).to(device)
        nets.append(net.to(memory_format=torch.channels_last))
    whole = data.batch(np.arange(len(data)), device)

    def ours() -> object:
        return fit(nets[0], data, config, rng(0, "shuffle"), device)

    def plain() -> object:
        return plain_loop(nets[1], whole.x, whole.y, config)

    times = take_turns({"fit": ours, "plain loop": plain}, args.repeats, device)
    print(
        f"{args.model}, {args.size} px, batch {args.batch}, {args.precision}, {device}, "
        f"{args.threads} thread(s)"
    )
    for name, taken in times.items():
        rate = args.samples * args.epochs / statistics.median(taken)
        print(f"  {name:<11} {rate:9.0f} pictures/s (median of {args.repeats})")
    ratios = [p / f for f, p in zip(times["fit"], times["plain loop"], strict=True)]
    print(
        f"  fit / plain {statistics.median(ratios):.3f} "
        f"(pairs {min(ratios):.3f} to {max(ratios):.3f})"
    )


def take_turns(
    calls: dict[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of every call, in turn and in alternating order; the first pair warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        pairs = list(calls.items())
        for name, call in pairs if repeat % 2 else pairs[::-1]:
            taken = seconds(call, device)
            if repeat:
                times[name].append(taken)
    return times


if __name__ == "__main__":
    main()
