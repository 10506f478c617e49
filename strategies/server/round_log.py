"""What happened in one round, for the records: who answered, how long it took, what it changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.update import Update
from strategies.aggregator import State, Vector
from strategies.kernels.geometry import along
from strategies.server.influence import influence_ratios


@dataclass
class RoundLog:
    """The log of one round; it measures the round and changes nothing in it."""

    cohort: list[int]
    """Partition ids of the clients that were asked."""
    clients: list[dict[str, Any]] = field(default_factory=list)
    """One row per client asked: its id, status (ok, rejected, failed, missing) and numbers."""
    failed: str | None = None
    """Why the round failed and the model was kept; None where it counted."""
    diagnostics: dict[str, float] = field(default_factory=dict)
    """Norms of the step and of the rule's state, and the influence ratios."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by part: train (mean busy time of the lanes), transfer (the rest until the last
    reply), aggregate, evaluate."""
    client_seconds: dict[int, float] = field(default_factory=dict)
    """Training time that each client reports."""

    @property
    def rows(self) -> dict[int, dict[str, Any]]:
        """The rows of `clients` by client."""
        return {row["client"]: row for row in self.clients}

    def summary(self) -> dict[str, Any]:
        """Return what rounds.jsonl says of the round, the evaluation aside."""
        admitted = [row for row in self.clients if row["status"] == "ok"]
        losses = [row["loss"] for row in admitted if row.get("loss") is not None]
        unknown = 0 if self.failed else len(admitted) - len(losses)
        return {
            "cohort": self.cohort,
            "admitted": len(admitted),
            "refused": [row for row in self.clients if row["status"] != "ok"],
            "failed": self.failed,
            "loss": sum(losses) / len(losses) if losses else None,
            **({"without_loss": unknown} if unknown else {}),
            **self.diagnostics,
        }

    def timing(self) -> dict[str, Any]:
        """Return the seconds of every part, rounded to a microsecond."""
        return {name: round(value, 6) for name, value in self.seconds.items()}

    def client_timing(self) -> dict[str, float]:
        """Return the training seconds of every client, rounded to a microsecond."""
        return {str(client): round(value, 6) for client, value in self.client_seconds.items()}

    def time(self, updates: Sequence[Update], wall: float, lanes: int | None) -> None:
        """Split the time since sending into training and transfer.

        Args:
            updates: The admitted updates, which say how long their training took.
            wall: Seconds from sending to the last reply.
            lanes: Clients that train at the same time and share these seconds; None: all of them.
        """
        self.client_seconds = {update.client: update.seconds for update in updates}
        lanes = min(lanes or len(self.cohort), len(self.cohort))
        train = min(wall, sum(self.client_seconds.values()) / lanes)
        self.seconds.update(train=train, transfer=wall - train)

    def describe(
        self, updates: Sequence[Update], before: Vector, after: Vector, state: State
    ) -> None:
        """Note the norm of every update, its cosine to the step, and the norms of step and state.

        Args:
            updates: The updates that were aggregated.
            before: Global parameters before the round, (D,) float32.
            after: Global parameters after it, (D,) float32.
            state: The rule's state after it.
        """
        norms, products, step_norm = along(
            [update.weights.theta for update in updates], before, after
        )
        rows = self.rows
        for update, norm, product in zip(updates, norms.tolist(), products.tolist(), strict=True):
            rows[update.client].update(
                examples=update.examples,
                groups=list(update.groups),
                loss=_known(update.loss),
                norm=_known(norm),
                cosine=_known(product / (norm * step_norm)) if norm and step_norm else None,
            )
        self.diagnostics = {"step_norm": step_norm}
        for name, array in state.items():
            if array.dtype == np.float32:
                self.diagnostics[f"{name}_norm"] = float(np.linalg.norm(array))

    def weigh(
        self,
        updates: Sequence[Update],
        shares: NDArray[np.float64],
        minority: Sequence[int],
        malicious: Collection[int],
    ) -> None:
        """Note each client's influence, and that of minority holders and attackers.

        Args:
            updates: The updates that were aggregated.
            shares: Their influences, (N,).
            minority: The rare groups.
            malicious: Partition ids of the malicious clients.
        """
        rows = self.rows
        for update, share in zip(updates, shares.tolist(), strict=True):
            rows[update.client]["influence"] = share
        self.diagnostics |= influence_ratios(updates, shares, minority, malicious)


def _known(value: float) -> float | None:
    """Return a number as the records hold it: None where it is not finite."""
    return value if np.isfinite(value) else None
