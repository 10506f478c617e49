"""`fedgroup doctor`: every item a line, what is unfit with its remedy and exit code 1."""

from pathlib import Path

import numpy as np
import pytest

from experiments.launch import agreement, doctor
from experiments.launch.doctor import findings, print_findings
from experiments.launch.folder_health import folder_health
from fedgroup.errors import FedgroupError
from fedgroup.storage import write_arrays


@pytest.fixture(autouse=True)
def own_cache_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache"


def test_a_fit_machine_has_a_line_for_every_item(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_findings(tmp_path / "results", quick=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["fit", name]
        for name in ("versions", "code", "threads", "BLAS", "device", "memory", "results", "cache", "weights", "Ray", "runs")
    ]  # fmt: skip
    assert "again in this process agree bit for bit" in lines[-1]
    assert not list((tmp_path / "results").iterdir())


def test_what_is_unfit_is_named_and_the_rest_is_examined(
    own_cache_here: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDGROUP_DEVICE", "cuda:99")
    monkeypatch.setattr(doctor, "agreement", lambda quick: "left out here")
    (own_cache_here / "stages").mkdir(parents=True)
    (own_cache_here / "stages" / "a.npz").write_bytes(b"PK cut")
    assert print_findings(tmp_path / "file", quick=True) == 1
    said = capsys.readouterr().out
    assert "unfit results    cannot write to" in said
    assert "choose another folder with --results" in said
    assert "unfit device     device 'cuda:99' is not usable here" in said
    assert f"damaged in the cache: {own_cache_here / 'stages' / 'a.npz'}; delete it" in said
    assert "fit   Ray" in said
    assert said.splitlines()[-1].startswith("Not fit for runs: ")


def test_the_cache_is_looked_through(own_cache_here: Path) -> None:
    own_cache_here.mkdir()
    write_arrays(own_cache_here / "whole.npz", {"x": np.arange(3)})
    assert "1 files of 0 MiB, none damaged" in folder_health(own_cache_here, cached=True)
    bank = own_cache_here / "bank"
    bank.mkdir()
    (bank / "info.json").write_text("{}")
    with pytest.raises(FedgroupError, match=f"damaged in the cache: {bank}"):
        folder_health(own_cache_here, cached=True)


def test_a_runtime_that_gives_other_bytes_is_unfit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def other(folder: Path) -> dict[str, bytes]:
        calls.append(1)
        return {"rounds.jsonl": bytes(len(calls)), "best.npz": b""}

    monkeypatch.setattr(agreement, "records", other)
    monkeypatch.setattr(agreement, "run", lambda *_: tmp_path)
    (found,) = [f for f in findings(tmp_path, quick=True) if f.name == "runs"]
    assert not found.fit
    assert "a run again in this process differs from the first one in rounds.jsonl" in found.text


@pytest.mark.slow
def test_two_workers_and_flower_agree_with_a_plain_run() -> None:
    assert agreement.agreement(quick=False).endswith(
        "again in this process, on two workers, under Flower agree bit for bit"
    )
