"""Which clients train in which round: a schedule drawn up front from the seed alone."""

import hashlib

import numpy as np

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng


def cohort_size(clients: int, fraction: float) -> int:
    """Return the clients per round, max(1, floor(fraction * clients + 1e-9)).

    The paper trains 10 % of 100 clients in a round (appendix A.1).
    """
    if not 0 < fraction <= 1:
        raise FedgroupError(f"fraction must lie in (0, 1], got {fraction}")
    return max(1, int(fraction * clients + 1e-9))


def schedule(seed: int, clients: int, fraction: float, rounds: int) -> list[Ints]:
    """Draw each round's cohort, uniform without replacement.

    The draw depends on the seed only: every strategy under one seed meets the same clients, and a
    longer schedule begins with the shorter one.

    Args:
        seed: Seed of the task.
        clients: Number of clients.
        fraction: Share of them that trains in a round.
        rounds: Number of rounds.

    Returns:
        Sorted partition ids of each round's cohort, (cohort_size,) int64.
    """
    size = cohort_size(clients, fraction)
    generator = rng(seed, "cohort")
    return [np.sort(generator.choice(clients, size, replace=False)) for _ in range(rounds)]


def schedule_hash(cohorts: list[Ints]) -> str:
    """Return 12 hex digits that name a schedule; stored with every run."""
    text = ";".join(",".join(str(client) for client in cohort) for cohort in cohorts)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
