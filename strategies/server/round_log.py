"""What happened in one round, for the records: who answered, how long it took, what each update did."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.update import Update
from strategies.aggregator import State, Vector
from strategies.kernels.geometry import along

Floats = NDArray[np.float64]


@dataclass
class RoundLog:
    """The log of one round; it measures the round and changes nothing in it."""

    cohort: list[int]
    clients: list[dict[str, Any]] = field(default_factory=list)
    """One row per client asked: its id, status (ok, rejected, failed, missing) and numbers."""
    failed: str | None = None
    """Why the round failed and the model was kept; None where it counted."""
    diagnostics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by part: train (mean busy time of the lanes), transfer (the rest until the last reply),
    aggregate, evaluate."""
    client_seconds: dict[int, float] = field(default_factory=dict)
    """Training time that each client reports."""

    @property
    def rows(self) -> dict[int, dict[str, Any]]:
        """The rows of `clients` by client."""
        return {row["client"]: row for row in self.clients}

    def time(self, updates: Sequence[Update], wall: float, lanes: int | None) -> None:
        """Split the time since sending: clients that train side by side share a lane's seconds."""
        self.client_seconds = {update.client: update.seconds for update in updates}
        lanes = min(lanes or len(self.cohort), len(self.cohort))
        train = min(wall, sum(self.client_seconds.values()) / lanes)
        self.seconds.update(train=train, transfer=wall - train)

    def describe(
        self, updates: Sequence[Update], before: Vector, after: Vector, state: State
    ) -> None:
        """Norms of every update and of the step taken, the cosine between the two, norms of the rule's state.

        before and after are the global parameters (D,).
        """
        norms, products, step_norm = along(
            [update.weights.theta for update in updates], before, after
        )
        rows = self.rows
        for update, norm, product in zip(updates, norms.tolist(), products.tolist(), strict=True):
            rows[update.client].update(
                examples=update.examples,
                groups=list(update.groups),
                loss=update.loss if np.isfinite(update.loss) else None,
                norm=norm,
                cosine=product / (norm * step_norm) if norm and step_norm else None,
            )
        self.diagnostics = {"step_norm": step_norm}
        for name, array in state.items():
            if array.dtype == np.float32:
                self.diagnostics[f"{name}_norm"] = float(np.linalg.norm(array))

    def weigh(
        self,
        updates: Sequence[Update],
        shares: Floats,
        minority: Sequence[int],
        malicious: Collection[int],
    ) -> None:
        """The group lens: each client's influence, and minority holders' and attackers' against the others'.

        shares (N,) are the updates' influences, minority the rare groups, malicious partition ids.
        """
        rows = self.rows
        for update, share in zip(updates, shares.tolist(), strict=True):
            rows[update.client]["influence"] = share
        holds = [any(u.groups[g] for g in minority if g < len(u.groups)) for u in updates]
        for name, mask in (
            ("minority", holds),
            ("attacker", [u.client in malicious for u in updates]),
        ):
            ratio = _relative(shares, np.array(mask))
            if ratio is not None:
                self.diagnostics[f"{name}_influence"] = ratio


def _relative(shares: Floats, mask: NDArray[np.bool_]) -> float | None:
    """Mean share of the masked clients relative to the others'; None where either has none."""
    if not mask.any() or mask.all() or not shares[~mask].sum():
        return None
    return float(shares[mask].mean() / shares[~mask].mean())
