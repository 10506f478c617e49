"""Milliseconds per step of gradient matching, next to one forward and backward pass of the same
batch.

    python -m benchmarks.bench_gm [--poisons 47] [--threads 1] [--repeats 5] [--chunk 0]

A step is what the attack repeats restarts * steps times: the poisons' gradient with a graph, the
loss, the second backward pass to the perturbation, signed Adam and the projection. The plain pass
is the poisons' parameter gradient alone. Per convolution the plain pass costs 3 units (forward, two
gradients), a step 7 (the second pass adds four), so a ratio near 7/3 means that the convolutions
bound it. Plain and step are interleaved; medians, and the smallest and largest ratio of neighbours,
are printed, then the megabytes of activations that the double backward pass holds per image.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from fedgroup import model
from fedgroup.attacks.gradient_matching.descent import descend
from fedgroup.attacks.gradient_matching.matching import Matcher
from fedgroup.attacks.gradient_matching.perturbation import Box
from fedgroup.device import describe, pick
from fedgroup.spec import resolve

CASES = (("small", 32), ("small", 64), ("resnet18", 64))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def seconds(call: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def held(matcher: Matcher, x: Tensor, y: Tensor) -> int:
    """Bytes kept for the backward passes of the images x, weights included."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = matcher.poison_gradient(x.detach().requires_grad_(), y, graph=True)
    del kept
    return sum(storages.values())


def measure(name: str, size: int, args: argparse.Namespace, device: torch.device) -> str:
    net = resolve(model.NAMES, name)(init="scratch").build(2, 0).to(device)
    net = net.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(args.poisons + 5, 3, size, size, generator=generator)
    images = ((pixels - 0.45) / 0.225).to(device).contiguous(memory_format=torch.channels_last)
    x, goal = images[: args.poisons], images[args.poisons :]
    labels = torch.ones(len(images), dtype=torch.int64, device=device)
    y = labels[: len(x)]
    chunk = args.chunk or args.poisons
    matcher = Matcher.towards(net, goal, labels[: len(goal)], chunk=chunk, precision=args.precision)
    box = Box.around(x, 16.0, MEAN, STD)
    delta = box.start(torch.randn_like(x))

    def plain() -> object:
        return matcher.poison_gradient(x, y)

    def step() -> object:
        return descend(
            matcher, delta, y, box, lambda _, d, part: x[part] + d, steps=1, lr=0.1, batch=512
        )

    times: dict[str, list[float]] = {"plain": [], "step": []}
    for repeat in range(args.repeats + 1):
        for label, call in (("plain", plain), ("step", step)):
            taken = seconds(call, device)
            if repeat:  # the first pair warms up
                times[label].append(1000 * taken)
    ratios = [s / p for p, s in zip(times["plain"], times["step"], strict=True)]
    return (
        f"  {name:<9} {size:3d} px  plain {statistics.median(times['plain']):8.1f} ms  "
        f"step {statistics.median(times['step']):8.1f} ms (best {min(times['step']):.1f})  "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})  "
        f"{(held(matcher, x[:8], y[:8]) - held(matcher, x[:4], y[:4])) / 4e6:.2f} MB per image"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--poisons", type=int, default=47)
    parser.add_argument(
        "--chunk", type=int, default=0, help="images differentiated at once; 0: all"
    )
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = pick()
    print(f"{args.poisons} poisons, {args.precision}, {describe(device)}, {args.threads} thread(s)")
    for name, size in CASES:
        print(measure(name, size, args, device), flush=True)


if __name__ == "__main__":
    main()
