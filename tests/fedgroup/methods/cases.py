"""The parity cases of the group methods, and data sets without pixels."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fedgroup.dataset import Batch, GroupedDataset, Ints
from tests.paths import CASES
from tests.toy import INFO

CASES: dict[str, dict[str, Any]] = {
    case["id"]: case
    for case in json.loads((CASES / "group_methods_cases.json").read_text())["cases"]
}


def dataset(
    groups: Sequence[int] | Ints,
    poison: Sequence[int] | Ints = (),
    y: Sequence[int] | Ints | None = None,
) -> GroupedDataset:
    """Waterbirds-like columns over one black pixel; `poison` are positions, y follows the group."""
    group = np.asarray(groups, np.int64)
    label = group // 2 if y is None else np.asarray(y, np.int64)
    bank = torch.zeros((1, 1, 1, 3), dtype=torch.uint8)
    data = GroupedDataset.clean(bank, np.zeros(len(group), np.int64), group // 2, group, INFO)
    marks = np.isin(np.arange(len(group)), np.asarray(poison, np.int64))
    return replace(data, y=label, poison=marks)


def batch(y: Sequence[int], group: Sequence[int], index: Sequence[int] | None = None) -> Batch:
    """A batch whose images nobody reads."""
    names = list(range(len(y))) if index is None else list(index)
    return Batch(
        torch.zeros(len(y), 3, 1, 1), torch.tensor(y), torch.tensor(group), torch.tensor(names)
    )


def canonical(labels: Ints) -> list[int]:
    """Labels renamed by first appearance."""
    names: dict[int, int] = {}
    return [names.setdefault(int(label), len(names)) for label in labels]
