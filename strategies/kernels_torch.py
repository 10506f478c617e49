"""The coordinate-wise kernels for vectors that already are torch tensors, on a GPU or not.

Same results as `kernels` (numpy is the reference): the midpoint median, the ascending float32 sum of the
trimmed mean, the running sum of the mean; NaN in any client reaches the output. Chunks bound the extra
memory to (N + 1) * chunk values; clients are never stacked whole.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fedgroup.errors import FedgroupError

CHUNK = 1 << 22
"""Coordinates sorted together; on a GPU large chunks pay."""


def median(clients: Sequence[Tensor], chunk: int = CHUNK) -> Tensor:
    """Midpoint median per coordinate; N float32 tensors (D,) on one device -> (D,)."""
    n = len(clients)

    def middle(ranked: Tensor) -> Tensor:
        low, high = ranked[(n - 1) // 2], ranked[n // 2]
        if n % 2:
            return low
        half = (low + high) * 0.5
        lost = half.isinf() & low.isfinite() & high.isfinite()
        return torch.where(lost, 0.5 * low + 0.5 * high, half)

    return _ranked(clients, middle, chunk)


def trimmed_mean(clients: Sequence[Tensor], trim: int, chunk: int = CHUNK) -> Tensor:
    """Mean of ranks trim..N-trim-1, added ascending; N float32 tensors (D,) on one device -> (D,)."""
    n = len(clients)
    if trim < 0 or n < 2 * trim + 1:
        raise FedgroupError(f"cannot trim {trim} per side of {n} clients: needs at least {2 * trim + 1}")

    def survivors(ranked: Tensor) -> Tensor:
        total = ranked[trim].clone()
        for rank in range(trim + 1, n - trim):
            total += ranked[rank]
        return total / (n - 2 * trim)

    return _ranked(clients, survivors, chunk)


def mean(clients: Sequence[Tensor]) -> Tensor:
    """Mean in client order; N float32 tensors (D,) on one device -> (D,)."""
    _check(clients)
    total = clients[0].clone()
    for client in clients[1:]:
        total += client
    return total / len(clients)


def _ranked(clients: Sequence[Tensor], finish: Callable[[Tensor], Tensor], chunk: int) -> Tensor:
    size = _check(clients)
    out = torch.empty_like(clients[0])
    for start in range(0, size, chunk):
        part = torch.stack([client[start : start + chunk] for client in clients])
        ranked = part.sort(dim=0).values  # NaN sorts last
        found = finish(ranked)
        out[start : start + chunk] = torch.where(ranked[-1].isnan(), ranked[-1], found)
    return out


def _check(clients: Sequence[Tensor]) -> int:
    if not clients:
        raise FedgroupError("no client vectors to aggregate: a round needs at least one")
    first = clients[0]
    for index, client in enumerate(clients):
        if client.dtype != torch.float32 or client.shape != first.shape or client.device != first.device:
            raise FedgroupError(
                f"client vector {index} is {client.dtype} {tuple(client.shape)} on {client.device}, expected "
                f"float32 {tuple(first.shape)} on {first.device}"
            )
    return len(first)
