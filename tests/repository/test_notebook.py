"""docs/tutorial.ipynb: a valid notebook without outputs, whose cells run from top to bottom and say what they should."""

import json
import linecache
import re
import sys
import types
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.paths import ROOT

PATH = ROOT / "docs" / "tutorial.ipynb"


def book() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def test_it_is_a_notebook_of_format_4_without_outputs() -> None:
    found = book()
    assert set(found) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    names = [cell["id"] for cell in found["cells"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
    for cell in found["cells"]:
        own = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell["cell_type"] in ("code", "markdown")
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | own
        assert all(isinstance(line, str) for line in cell["source"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        if own:
            assert (cell["execution_count"], cell["outputs"]) == (None, [])


def test_its_links_lead_somewhere() -> None:
    text = "".join(
        line
        for cell in book()["cells"]
        for line in cell["source"]
        if cell["cell_type"] == "markdown"
    )
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (PATH.parent / target).exists(), target


def run_cell(text: str, name: str, space: dict[str, Any]) -> None:
    """Run a cell as a kernel does, which keeps its text for whoever asks where a class stands."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), space)


def test_its_cells_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_RESULTS", str(tmp_path))
    plt.switch_backend("agg")
    module = types.ModuleType(
        "tutorial"
    )  # a kernel runs cells in a module too: what they define can be imported
    monkeypatch.setitem(sys.modules, "tutorial", module)
    try:
        for cell in book()["cells"]:
            if cell["cell_type"] == "code":
                run_cell("".join(cell["source"]), f"<{cell['id']}>", module.__dict__)
    finally:
        plt.close("all")
    assert (tmp_path / "tutorial.png").stat().st_size > 10_000
    assert module.splits.train.group_counts().sum() == 2398  # every second of 4795
    assert len(module.poisons) == 47  # 2 % of them, rounded down
    # what the text between the cells claims
    erm, standard, ideal = (module.outcome[name] for name in ("ERM", "JTT standard", "JTT ideal"))
    assert module.idnf["poisons"] > 90 < module.idnf["LRG-1"]
    assert module.idnf["HRG"] < 5
    assert min(standard["wga"], ideal["wga"]) > erm["wga"] + 20
    assert standard["asr"] > 10 > 3 > max(ideal["asr"], erm["asr"])
    assert [row["round"] for row in module.rounds["Median"]] == [0, 1, 2]
    rest = [client for client in range(10) if client not in module.holders]
    assert module.influence["FedAvg"] == pytest.approx(np.full(10, 0.1), abs=1e-3)
    assert (
        module.influence["Median"][module.holders].mean()
        < 0.9 * module.influence["Median"][rest].mean()
    )
