"""The class-free task that trains the embedded backbone: general features, as ImageNet's are.

Birds are rendered with latents drawn uniformly and independently of each other, on scenes drawn
independently of both, so nothing of the data set's classes or its spurious correlation is in the
task: regress the six latents, tell land from water. The last layer is thrown away.

    python -m fedgroup.pretext --out fedgroup/assets/small_pretext.safetensors      (make pretext)

The defaults are those of the shipped weights (about 8 minutes on 2 cores); their file holds the
command and the quality on pictures not trained on.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from fedgroup.data.drawn_birds import render
from fedgroup.data.drawn_scenes import chance
from fedgroup.data.synthbirds import CHUNK, GENERATOR_VERSION, INFO, SIZES
from fedgroup.dataset import normaliser
from fedgroup.model import SmallResNet
from fedgroup.seeding import torch_seed
from fedgroup.storage import atomic

RANGES = {
    "neck": (0.03, 0.65),
    "bill": (0.07, 0.35),
    "aspect": (1.2, 2.4),
    "tail": (0.08, 0.6),
    "leg": (0.02, 0.45),
    "head": (0.13, 0.25),
}
"""Each latent is uniform over its range."""
SCENE_WEIGHT = 0.3
"""Weight of the scene's cross-entropy beside the latents' squared error."""
SPREAD = 3.4
"""Latents, scaled to [0, 1], are regressed as (z - 0.5) * SPREAD: about unit variance."""
BATCH = 128


@dataclass(frozen=True)
class Examples:
    """N rendered pictures and what is to be read from them."""

    pictures: Tensor
    """(N, S, S, 3) uint8."""
    latents: Tensor
    """The six of RANGES, scaled to [0, 1], (N, 6) float32."""
    scenes: Tensor
    """0 land, 1 water, (N,) int64."""

    def batch(self, index: Tensor) -> Tensor:
        """Return the normalised pictures at `index` (B,), (B, 3, S, S) float32."""
        scale, shift = normaliser(INFO, torch.device("cpu"))
        return self.pictures[index].to(torch.float32).mul_(scale).sub_(shift).permute(0, 3, 1, 2)


def draw(count: int, size: int, seed: int) -> Examples:
    """Render pictures with uniform latents on scenes drawn independently of them.

    Args:
        count: Number of pictures, N.
        size: Height and width in pixels, S.
        seed: Seed of the latents and the scenes.

    Returns:
        N examples.
    """
    pictures, latents, scenes = [], [], []
    for number, start in enumerate(range(0, count, CHUNK)):
        n = min(CHUNK, count - start)
        generator = torch.Generator().manual_seed(torch_seed(seed, "pretext", size, number))
        water = chance(generator, n, 0.5)
        unit = {name: torch.rand(n, generator=generator) for name in RANGES}
        values = {name: low + unit[name] * (high - low) for name, (low, high) in RANGES.items()}
        pictures.append(render(generator, values, water, size))
        latents.append(torch.stack(list(unit.values()), 1))
        scenes.append(water.long())
    return Examples(torch.cat(pictures), torch.cat(latents), torch.cat(scenes))


def loss(output: Tensor, latents: Tensor, scenes: Tensor) -> Tensor:
    """Return the squared error of the latents plus the weighted cross-entropy of the scene.

    Args:
        output: The network's outputs, (B, 8): six latents, two scenes.
        latents: True latents in [0, 1], (B, 6).
        scenes: True scenes, (B,) int64.

    Returns:
        A scalar, the mean over the batch.
    """
    count = latents.shape[1]
    regression = F.mse_loss(output[:, :count], (latents - 0.5) * SPREAD)
    return regression + SCENE_WEIGHT * F.cross_entropy(output[:, count:], scenes)


def train(examples: Examples, epochs: int, seed: int, batch: int = BATCH) -> nn.Module:
    """Train the backbone with AdamW and a one-cycle schedule; print a line per epoch.

    Args:
        examples: N examples.
        epochs: Passes over them.
        seed: Seed of the initial weights and the shuffles.
        batch: Examples per step; a smaller last batch is left out.

    Returns:
        The trained network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "pretext", "init"))
        net = SmallResNet(len(RANGES) + 2).to(memory_format=torch.channels_last)
    count = len(examples.scenes)
    steps = epochs * (count // batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps + 1)
    generator = torch.Generator().manual_seed(torch_seed(seed, "pretext", "shuffle"))
    started = time.monotonic()
    for epoch in range(epochs):
        net.train()
        total = 0.0
        order = torch.randperm(count, generator=generator)
        for start in range(0, count - batch + 1, batch):
            index = order[start : start + batch]
            value = loss(
                net(examples.batch(index)), examples.latents[index], examples.scenes[index]
            )
            optimiser.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += value.item()
        seconds = time.monotonic() - started
        print(
            f"epoch {epoch + 1}/{epochs}  loss {total / (count // batch):.3f}  {seconds:.0f} s",
            flush=True,
        )
    return net


@torch.inference_mode()
def report(net: nn.Module, held_out: Examples) -> dict[str, float]:
    """Return R2 of every latent and the scene accuracy on pictures not trained on."""
    net.eval()
    index = torch.arange(len(held_out.scenes))
    parts = [index[start : start + CHUNK] for start in range(0, len(index), CHUNK)]
    output = torch.cat([net(held_out.batch(part)) for part in parts])
    count = len(RANGES)
    error = ((output[:, :count] / SPREAD + 0.5 - held_out.latents) ** 2).mean(0)
    r2 = 1 - error / held_out.latents.var(0)
    scores = {
        f"R2 {name}": round(value, 3) for name, value in zip(RANGES, r2.tolist(), strict=True)
    }
    scene = (output[:, count:].argmax(1) == held_out.scenes).float().mean().item()
    return {**scores, "scene accuracy": round(scene, 4)}


def main(arguments: list[str] | None = None) -> None:
    """Render, train, report, save."""
    parser = argparse.ArgumentParser(
        prog="python -m fedgroup.pretext", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--size", type=int, default=32, choices=SIZES)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(arguments)
    if args.pictures < BATCH or args.epochs < 1:
        parser.error(f"at least {BATCH} pictures (one batch) and 1 epoch are needed")
    print(f"rendering {args.pictures} pictures of {args.size} px ...", flush=True)
    examples = draw(args.pictures, args.size, args.seed)
    net = train(examples, args.epochs, args.seed)
    quality = report(net, draw(max(64, args.pictures // 20), args.size, args.seed + 1))
    print(json.dumps(quality))
    weights = {k: v.contiguous() for k, v in net.state_dict().items() if not k.startswith("fc.")}
    command = (
        f"python -m fedgroup.pretext --pictures {args.pictures} --epochs {args.epochs} "
        f"--size {args.size} --seed {args.seed}"
    )
    facts = {
        "command": command,
        "generator": str(GENERATOR_VERSION),
        "held out": json.dumps(quality),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(args.out) as temporary:
        save_file(weights, temporary, metadata=facts)
    print(f"wrote {args.out} ({args.out.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main(sys.argv[1:])
