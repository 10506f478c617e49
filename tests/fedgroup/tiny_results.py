"""What one tiny run of every family of components gives, as plain numbers.

Random inputs come from fixed addresses; numbers are few, small and far from rounding: counts of
groups, positions, sizes, norms, parameters of twelve coordinates.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import strategies
from fedgroup import attacks, partitions
from fedgroup.checks.toy_data import TinyNet
from fedgroup.data.decoding import crop_and_resize, decode, squash, squash_and_crop
from fedgroup.data.drawn_birds import class_latents, render
from fedgroup.data.fashion import dress
from fedgroup.methods.central_run import centralise
from fedgroup.model import Small
from fedgroup.probes.strip_probe import StripProbe
from fedgroup.runs.run_directory import read_lines
from fedgroup.seeding import rng
from fedgroup.spec import build, resolve
from fedgroup.task import Task, prepared_splits
from fedgroup.train import TrainConfig, fit
from tests import toy
from tests.fedgroup.methods.runs import METHODS, task

Numbers = dict[str, list[float]]
"""Numbers by what they are."""
FOREIGN = ("flower", "byzfl", "flwr_datasets", "lists")
"""Components that compute nothing themselves."""
SMALL: dict[str, dict[str, Any]] = {
    "sparsefed": {"k": 5},
    "trimmed_mean": {"trim": 1},
    "norm_clipping": {"bound": 1.0},
    "centred_clipping": {"tau": 1.0},
    "minority_holders": {"clients": 8, "holder_fraction": 0.25},
    "gm": {"targets": 2, "restarts": 1, "steps": 2, "fraction": 0.05},
    "dlbd": {"fraction": 0.05, "side": 3, "gap": 0},
    "sa": {"fraction": 0.05},
}
"""Settings under which a component works on the toy data."""


def plain(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in np.asarray(values, np.float64).ravel()]


def made(names: Any, use: str, **settings: Any) -> Any:
    cls = resolve(names, use)
    return build(cls, {**settings, **SMALL.get(use, {})})


def rules() -> Numbers:
    generator, size, found = rng(1, "rules"), 12, {}
    theta = generator.normal(size=size).astype(np.float32)
    rounds = generator.normal(size=(2, 11, size)).astype(np.float32)
    weights = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
    inputs = {"root": theta + 1, "ids": np.arange(11), "losses": np.linspace(1, 2, 11)}
    for name in strategies.NAMES:
        if name in FOREIGN:
            continue
        rule = made(strategies.NAMES, name)
        state, now = rule.init(theta), theta
        for clients in rounds:
            given = {**state, **{key: inputs[key] for key in getattr(rule, "needs", ())}}
            now, state = rule.step(given, now, [now + c for c in clients], weights)
        found[name] = plain(now)
    return found


def update_attacks() -> Numbers:
    generator, found = rng(1, "update attacks"), {}
    own, honest = (list(generator.normal(size=(n, 8)).astype(np.float32)) for n in (2, 5))
    for name in attacks.BYZANTINE_NAMES:
        attack = made(attacks.BYZANTINE_NAMES, name)
        sent, _ = attack.forge(attack.init(8), own, honest, rng(2, "forge"))
        found[name] = plain(sent)
    return found


def sample_attacks(names: Sequence[str]) -> Numbers:
    found: Numbers = {}
    for name in names:
        only = build(
            Task,
            {
                "data": "tests.toy:ToyData",
                "model": "tests.toy:ToyModel",
                "attack": {"use": name, **SMALL[name]}
                | ({"surrogate": {"model": "tests.toy:ToyModel"}} if name == "gm" else {}),
            },
        )
        train = prepared_splits(only).train
        where = np.flatnonzero(train.poison)
        found[name] = plain([*where, *train.y[where], *train.group[where]])
        found[f"{name} pixels"] = plain(train.pixels(where).float().mean((1, 2, 3)))
    return found


def dealt() -> Numbers:
    train, found = toy.ToyData(scale=2).load().train, {}
    for name in partitions.NAMES:
        if name not in FOREIGN:
            parts = made(partitions.NAMES, name, clients=8).assign(train, 3)
            found[name] = plain([v for part in parts for v in (len(part), part.sum())])
    return found


def birds() -> Numbers:
    group = torch.arange(4).repeat(2)
    generator = torch.Generator().manual_seed(5)
    drawn = render(generator, class_latents(generator, group // 2), group % 2 == 1, 32)
    return {"pictures": plain(drawn.float().mean((1, 2)))}


def garments() -> Numbers:
    generator = torch.Generator().manual_seed(5)
    worn = torch.arange(8 * 784).reshape(8, 28, 28).remainder(256).to(torch.uint8)
    drawn = dress(generator, worn, torch.arange(8) % 2 == 1, 32)
    return {"pictures": plain(drawn.float().mean((1, 2)))}


def decoded() -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.png"
        ramp = np.add.outer(np.arange(218), np.arange(178))[..., None] * [1, 2, 3] % 256
        Image.fromarray(ramp.astype(np.uint8)).save(path)
        ways = {"waterbirds": squash_and_crop(32), "celeba": crop_and_resize(178, 32)}
        ways["folder"] = squash(32)
        return {name: plain(decode(path, way)[::8, ::8]) for name, way in ways.items()}


def trained() -> Numbers:
    data = toy.ToyData().load().train
    torch.manual_seed(0)
    model = TinyNet(2)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.linspace(-0.5, 0.5, p.numel()).reshape(p.shape))
    config = TrainConfig(epochs=2, batch_size=16, lr=0.05)
    result = fit(model, data, config, rng(0, "trained"), torch.device("cpu"))
    norms = [float(p.detach().norm()) for p in model.parameters()]
    return {"losses": plain(result.losses), "norms": plain(norms)}


def networks() -> Numbers:
    x = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
    found: Numbers = {}
    for init in ("scratch", "pretext"):
        net = Small(init).build(2, 4).eval()
        with torch.no_grad():
            found[init] = plain(net(x))
    return found


def methods(names: Sequence[str]) -> Numbers:
    found: Numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            run = centralise(task(), METHODS[name], Path(folder))
            rows, lines = read_lines(run, "rounds"), read_lines(run, "selections")
            found[name] = plain([row["loss"] for row in rows if "loss" in row])
            if lines:
                used = [count for line in lines for count in line["used"].values()]
                found[f"{name} selections"] = plain(used)
    return found


def probed() -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        run = centralise(task(), METHODS["erm"], Path(folder))
        values = StripProbe().run(run)["values"]
    return {"strip": plain([values[name] for name in sorted(values)])}


def federated() -> Numbers:
    from experiments.experiment import Experiment
    from experiments.run import run

    with tempfile.TemporaryDirectory() as folder:
        spec = toy.experiment(task__attack={"use": "dlbd", **SMALL["dlbd"]})
        rows = read_lines(run(Experiment.of(spec), Path(folder)), "rounds")
    return {
        "cohorts": plain([client for row in rows for client in row.get("cohort", ())]),
        "loss": plain([row["loss"] for row in rows if "loss" in row]),
        "norms": plain([row["step_norm"] for row in rows if "step_norm" in row]),
    }


FAMILIES: dict[str, Callable[[], Numbers]] = {
    "strategies.rules": rules,
    "fedgroup.attacks.updates": update_attacks,
    "fedgroup.attacks": lambda: sample_attacks(["dlbd", "sa"]),
    "fedgroup.attacks.gradient_matching": lambda: sample_attacks(["gm"]),
    "fedgroup.partitions": dealt,
    "fedgroup.data.synthbirds": birds,
    "fedgroup.data.fashion": garments,
    "fedgroup.data.listing": decoded,
    "fedgroup.train": trained,
    "fedgroup.model": networks,
    "fedgroup.methods": lambda: methods(["erm", "jtt"]),
    "fedgroup.methods.group_dro": lambda: methods(["group_dro"]),
    "fedgroup.methods.george": lambda: methods(["george"]),
    "fedgroup.methods.epic": lambda: methods(["epic"]),
    "fedgroup.methods.epic_then_jtt": lambda: methods(["epic_then_jtt"]),
    "fedgroup.probes": probed,
    "strategies.server": federated,
}
"""Family, as a key of RESULTS_VERSION calls it, or module of a picture version -> its tiny run."""
