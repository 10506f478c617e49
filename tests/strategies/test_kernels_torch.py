"""The torch kernels equal the numpy ones to 1 ulp, on the CPU here and on a GPU where there is one."""

from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.errors import FedgroupError
from strategies import kernels, kernels_torch

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]


def cohort(n: int, ties: bool) -> list[Any]:
    generator = np.random.default_rng(n)
    values = generator.normal(0, 1, (n, 3000)).astype(np.float32)
    if ties:
        values = np.round(values * 2) / np.float32(2)
    values[:, :4] = np.float32(3e38)
    values[0, 5] = np.inf
    values[-1, 6] = -np.inf
    return list(values)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 10, 17, 64, 70])
def test_same_as_numpy(n: int, ties: bool, device: str) -> None:
    clients = cohort(n, ties)
    tensors = [torch.from_numpy(client).to(device) for client in clients]
    pairs = [
        (kernels.median(clients), kernels_torch.median(tensors, chunk=700)),
        (kernels.mean(clients), kernels_torch.mean(tensors)),
    ]
    for trim in range(min(3, (n + 1) // 2)):
        pairs.append((kernels.trimmed_mean(clients, trim), kernels_torch.trimmed_mean(tensors, trim, 700)))
    for ours, theirs in pairs:
        np.testing.assert_array_max_ulp(ours, theirs.cpu().numpy(), maxulp=1)


@pytest.mark.parametrize("device", DEVICES)
def test_nan_reaches_the_output(device: str) -> None:
    clients = cohort(10, False)
    clients[3][100] = np.nan
    tensors = [torch.from_numpy(client).to(device) for client in clients]
    for found in (
        kernels_torch.median(tensors),
        kernels_torch.trimmed_mean(tensors, 2),
        kernels_torch.mean(tensors),
    ):
        assert bool(found[100].isnan())
        assert int(found.isnan().sum()) == 1


def test_refusals() -> None:
    with pytest.raises(FedgroupError, match="no client vectors"):
        kernels_torch.median([])
    with pytest.raises(FedgroupError, match="needs at least 5"):
        kernels_torch.trimmed_mean([torch.zeros(3)] * 4, 2)
    with pytest.raises(FedgroupError, match=r"client vector 1 is torch\.float64"):
        kernels_torch.mean([torch.zeros(3), torch.zeros(3, dtype=torch.float64)])
