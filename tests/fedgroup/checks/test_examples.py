"""The examples that newcomers copy from docs/how-to hold the contract of their family."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.method import check_method
from fedgroup.checks.model import check_model
from fedgroup.checks.runner import Answer
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.checks.update_attack import check_update_attack
from tests.fedgroup.checks.failures import failed
from tests.paths import ROOT

PAGES = "".join(
    page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs/how-to").glob("add_*.md"))
)
EXAMPLES: dict[str, Callable[[Any], Iterator[Answer]]] = {
    "my_attack:NextLabel": check_sample_attack,
    "my_update:Sleeper": check_update_attack,
    "my_method:DropErrors": check_method,
    "my_model:TinyModel": check_model,
    "my_data:Squares": check_dataset,
}


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_examples_hold_the_contract(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = path.split(":")
    (tmp_path / f"{module}_held.py").write_text(
        PAGES.split(f"```python\n# {module}.py\n")[1].split("```")[0]
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    component = getattr(importlib.import_module(f"{module}_held"), name)()
    assert failed(EXAMPLES[path](component)) == {}
