from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from fedgroup import pretext
from fedgroup.errors import FedgroupError
from fedgroup.model import Small, SmallResNet, features

ASSET = Path(pretext.__file__).parent / "assets" / "small_pretext.safetensors"


def test_the_shipped_weights_are_small_and_say_how_they_were_made() -> None:
    assert ASSET.stat().st_size < 2_000_000
    with safe_open(ASSET, "pt") as file:
        assert file.metadata()["command"].startswith("python -m fedgroup.pretext")
    assert not any(name.startswith("fc.") for name in load_file(ASSET))


def test_the_pretext_start_is_the_default_and_leaves_the_last_layer_fresh() -> None:
    one, two = Small().build(2, 0), Small().build(2, 1)
    stored = load_file(ASSET)
    for name, tensor in one.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(tensor, stored[name])
    assert not torch.equal(one.fc.weight, two.fc.weight)  # type: ignore[union-attr]
    assert torch.equal(one.fc.weight, Small().build(2, 0).fc.weight)  # type: ignore[union-attr]


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


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("pretxt", "no model init called 'pretxt'; did you mean 'pretext'"),
        ("/nowhere/x.safetensors", "no weights file at /nowhere/x.safetensors"),
    ],
)
def test_unknown_starts_are_refused(init: str, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        Small(init=init).build(2, 0)


def test_broken_or_foreign_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"garbage")
    with pytest.raises(FedgroupError, match="not a readable weights file"):
        Small(init=str(path)).build(2, 0)
    state = SmallResNet(2).state_dict()
    torch.save({**state, "extra.weight": torch.zeros(1)}, tmp_path / "more.pt")
    with pytest.raises(
        FedgroupError, match=r"does not fit this model: 1 entries differ.*extra\.weight"
    ):
        Small(init=str(tmp_path / "more.pt")).build(2, 0)
    state["stem.0.weight"] = torch.zeros(16, 3, 5, 5)
    torch.save(state, tmp_path / "shape.pt")
    with pytest.raises(FedgroupError, match=r"'stem\.0\.weight' has shape \(16, 3, 5, 5\)"):
        Small(init=str(tmp_path / "shape.pt")).build(2, 0)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(FedgroupError, match="holds a list"):
        Small(init=str(tmp_path / "list.pt")).build(2, 0)


def test_features_are_the_input_of_the_last_layer() -> None:
    net = Small().build(2, 0).eval()
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = features(net, x)
    assert found.shape == (3, 128)
    assert torch.allclose(net.fc(found), net(x))  # type: ignore[operator]


def test_larger_images_are_averaged_down() -> None:
    net = Small().build(2, 0).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    big = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(net(big), net(x), atol=1e-5)
