"""The federated parity cases, read from tests/cases."""

import json
from functools import cache
from typing import Any

import numpy as np

from tests.paths import CASES


@cache
def arrays() -> dict[str, Any]:
    with np.load(CASES / "federated_cases.npz") as stored:
        return dict(stored)


@cache
def cases() -> dict[str, dict[str, Any]]:
    listed = json.loads((CASES / "federated_cases.json").read_text())["cases"]
    return {case["name"]: case for case in listed}


def array(case: str, name: str) -> np.ndarray:
    return arrays()[f"{case}/{name}"]
