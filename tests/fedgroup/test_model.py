"""Networks: their start, their last layer, and where they are built."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fedgroup import pretext
from fedgroup.errors import FedgroupError
from fedgroup.model import Small, SmallResNet, build_model, features
from tests.fedgroup.methods.runs import make_stage, task
from tests.toy import ToyModel

ASSET = Path(pretext.__file__).parent / "assets" / "small_pretext.safetensors"
CPU = torch.device("cpu")


def test_a_model_is_built_on_its_device_channels_last():
    model = build_model(ToyModel(), 2, 3, CPU)
    own = ToyModel().build(2, 3).state_dict()
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert build_model(ToyModel(), 2, 3, torch.device("meta")).fc.weight.device.type == "meta"


def test_the_pretext_start_is_the_default_and_leaves_the_last_layer_fresh() -> None:
    one, two = Small().build(2, 0), Small().build(2, 1)
    stored = load_file(ASSET)
    for name, tensor in one.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(tensor, stored[name])
    assert not torch.equal(one.fc.weight, two.fc.weight)  # type: ignore[union-attr]
    assert torch.equal(one.fc.weight, Small().build(2, 0).fc.weight)  # type: ignore[union-attr]


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


def test_networks_that_differ_in_their_frozen_part_share_no_cached_stage() -> None:
    def other() -> nn.Module:
        net = ToyModel().build(2, 0)
        net.conv.weight.requires_grad_(False)  # type: ignore[union-attr, operator]
        return net

    def moved() -> nn.Module:
        net = other()
        with torch.no_grad():
            net.conv.weight.add_(1)  # type: ignore[union-attr, operator]
        return net

    paths = {replace(make_stage(task()), build=build).path({}) for build in (other, moved, moved)}
    assert len(paths) == 2
