"""Figures are the same whatever backend or matplotlibrc the user has."""

import os
import subprocess
import sys
from pathlib import Path

from experiments.figures.style import canvas, save, styled
from tests.paths import ROOT

DRAW = """
import sys
from pathlib import Path
from tests.experiments.figures.test_backend import draw
draw(Path(sys.argv[1]))
import os
print(os.environ["MPLBACKEND"])
"""


@styled
def draw(path: Path) -> None:
    figure, ((axes,),) = canvas(1, 1, 3, 2)
    axes.plot([0, 1], [1, 0], label="a")
    axes.set_title("title")
    save(figure, path)


def test_neither_backend_nor_matplotlibrc_changes_a_figure(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("figure.facecolor: red\naxes.titlesize: 30\n")
    draw(tmp_path / "plain.svg")
    odd = {"MPLBACKEND": "no_such_backend", "MATPLOTLIBRC": str(tmp_path), "DISPLAY": ""}
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "odd.svg")], capture_output=True, text=True,
        cwd=ROOT, env={**os.environ, **odd}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "no_such_backend\n"), done.stderr
    assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "odd.svg").read_bytes()
