"""A damaged file in torch's cache of weights is named before anything is made of it."""

import hashlib
from pathlib import Path

import pytest
import torch

from fedgroup.errors import FedgroupError
from fedgroup.host.downloaded_weights import is_damaged, refuse_damaged
from fedgroup.model import ResNet18


def test_the_content_must_be_what_the_name_says(tmp_path: Path) -> None:
    content = b"weights" * 100
    digest = hashlib.sha256(content).hexdigest()[:8]
    path = tmp_path / f"resnet18-{digest}.pth"
    refuse_damaged(path)  # not downloaded yet
    path.write_bytes(content)
    refuse_damaged(path)
    assert not is_damaged(path)
    for other in (content[:50], content.replace(b"w", b"W"), b""):
        path.write_bytes(other)
        with pytest.raises(FedgroupError, match=f"{path.name} is damaged.*delete it"):
            refuse_damaged(path)
    unnamed = tmp_path / "mine.pth"
    unnamed.write_bytes(b"anything")
    assert not is_damaged(unnamed)


def test_a_cut_download_stops_the_model_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"PK\x03\x04cut")
    with pytest.raises(FedgroupError, match=r"resnet18-f37072fd\.pth is damaged"):
        ResNet18(init="imagenet").build(2, 0)
