"""The prepared GPU script works where there is no GPU: a dry run of every command."""

import pytest

from benchmarks.gpu_check import COUNTS, Noise, main, table_row


def test_the_stand_in_has_waterbirds_groups() -> None:
    splits = Noise(size=4, share=0.01).load()
    for name, split in zip(splits._fields, splits, strict=True):
        assert split.group_counts().tolist() == [max(2, round(0.01 * n)) for n in COUNTS[name]]
    train = splits.train
    means = train.bank.float().mean((1, 2, 3))
    assert means[train.y == 1].min() > means[train.y == 0].max()


def test_a_row_of_table_9_runs_at_tiny_size(capsys: pytest.CaptureFixture[str]) -> None:
    table_row("Trimmed mean", tiny=True)
    line = capsys.readouterr().out
    assert "Trimmed mean:" in line
    assert "s a round (median of 3, without evaluation)" in line
    assert "GiB of GPU memory" in line


@pytest.mark.slow
def test_the_dry_run_ends_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--tiny"]) == 0
    block = capfd.readouterr().out.split("`make gpu-check` on ")[1]
    assert block.count(": ok, ") >= 5
