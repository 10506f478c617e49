"""The house rules as a test: who may import whom, and which heavy libraries stay where."""

import ast
from pathlib import Path

import pytest

from tests.paths import ROOT

FORBIDDEN = {
    "fedgroup": {
        "strategies",
        "clients",
        "experiments",
        "deploy",
        "flwr",
        "ray",
        "pandas",
        "matplotlib",
        "rich",
        "typer",
    },
    "strategies": {
        "clients",
        "experiments",
        "deploy",
        "ray",
        "pandas",
        "matplotlib",
        "rich",
        "typer",
    },
    "clients": {"strategies", "experiments", "deploy", "pandas", "matplotlib", "rich", "typer"},
    "experiments": {"deploy"},
    "deploy": {"torch", "numpy", "ray", "pandas", "matplotlib", "rich", "typer"},
}
ONLY_IN = {
    "flwr": {
        "strategies/server/flower_strategy.py",
        "strategies/rules/flower_rule.py",
        "strategies/rules/flower_exchange.py",
        "strategies/rules/flower_needs.py",
        "strategies/checks/round_check.py",
        "strategies/server/messages.py",
        "strategies/server/admission.py",
        "strategies/server/node_map.py",
        "strategies/server/federated_run.py",
        "strategies/server_app.py",
        "strategies/server/remote_sites.py",
        "clients/client_app.py",
        "clients/grid.py",
        "clients/ray_actor.py",
        "clients/ray_grid.py",
        "clients/packing.py",
        "experiments/run.py",
    },
    "ray": {"clients/ray_grid.py"},
    "yaml": {"fedgroup/settings/overrides.py", "fedgroup/settings/yaml_reader.py"},
    "pydantic": {"fedgroup/spec.py", "fedgroup/runs/result_file.py"},
    "pandas": {
        "experiments/results/frames.py",
        "experiments/report/separability_rows.py",
        "experiments/report/csv_text.py",
    },
    "matplotlib": {"experiments/figures/"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


FILES = [path for package in FORBIDDEN for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_house(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = imports(path)
    assert not found & FORBIDDEN[name.split("/")[0]], name
    for library, allowed in ONLY_IN.items():
        inside = name in allowed or f"{Path(name).parent}/" in allowed
        assert library not in found or inside, f"{library} in {name}"


def test_there_are_files_to_check() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_global_random_state(path: Path) -> None:
    text = path.read_text()
    for banned in (
        "np.random.seed",
        "np.random.rand",
        "random.seed(",
        "np.random.shuffle",
        "np.random.choice",
    ):
        assert banned not in text, banned
