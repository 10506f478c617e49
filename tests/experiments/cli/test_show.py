"""What `fedgroup list` and `fedgroup show` print."""

from pathlib import Path

from tests.experiments.command_line import fedgroup


def test_list_and_show(tmp_path: Path) -> None:
    listed = fedgroup("list", cwd=tmp_path).stdout
    for name in (
        "demo",
        "table9",
        "synthbirds",
        "resnet18",
        "sparsefed",
        "dlbd",
        "alie",
        "jtt",
        "george",
    ):
        assert name in listed
    one = fedgroup("list", "sparsefed", cwd=tmp_path).stdout
    assert "rho" in one
    assert "the paper runs 0 and 0.9" in one
    assert "identify_epochs" in fedgroup("list", "jtt", cwd=tmp_path).stdout
    assert "restarts" in fedgroup("list", "gm", cwd=tmp_path).stdout
    shown = fedgroup(
        "show", "table9", "--scale", "paper", "--set", "task.train.lr=0.5", cwd=tmp_path
    ).stdout
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "--set" in lines["task.train.lr"]
    assert "scale paper" in lines["task.data.use"]
    assert "default" in lines["task.train.momentum"]
