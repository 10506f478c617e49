"""The task behind the shipped weights."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from fedgroup import pretext
from fedgroup.model import Small

ASSET = Path(pretext.__file__).parent / "assets" / "small_pretext.safetensors"


def test_the_shipped_weights_are_small_and_say_how_they_were_made() -> None:
    assert ASSET.stat().st_size < 2_000_000
    with safe_open(ASSET, "pt") as file:
        assert file.metadata()["command"].startswith("python -m fedgroup.pretext")
    assert not any(name.startswith("fc.") for name in load_file(ASSET))


def test_a_tiny_run_is_deterministic(tmp_path: Path) -> None:
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        pretext.main(["--out", str(file), "--pictures", "256", "--epochs", "1"])
    one, two = load_file(files[0]), load_file(files[1])
    assert all(torch.equal(one[name], two[name]) for name in one)
    Small(init=str(files[0])).build(2, 0)


def test_latents_and_scenes_are_independent() -> None:
    drawn = pretext.draw(600, 32, 0)
    together = torch.cat([drawn.latents, drawn.scenes[:, None].float()], 1)
    off = torch.corrcoef(together.T) - torch.eye(7)
    assert off.abs().max() < 0.15  # 3.7 standard errors at 600 samples
