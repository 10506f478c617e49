"""Mimic: all attackers send copies of one honest client's delta."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgroup.attacks.updates.colluding import means
from fedgroup.attacks.updates.update_attack import CHUNK, State, Vector, check
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]
NOBODY = -1


@dataclass(frozen=True)
class Mimic:
    """Every attacker sends a copy of honest client i*, chosen in the warm-up and fixed after it.

    Karimireddy, He & Jaggi, ICLR 2022: i* = argmax_i |sum_t <z, u_i - mu>|, z the top direction of
    the honest deviations u_i - mu summed over the warm-up rounds. The copied client is
    over-represented; under identically distributed data the attack has no effect. Where i* is not
    in a round's cohort, the participant of largest score is copied that round.
    """

    warmup: int = 10
    """Rounds with attackers in which z is learned; meanwhile the best client so far is copied."""

    def __post_init__(self) -> None:
        if self.warmup < 1:
            raise FedgroupError(f"warmup must be at least 1 round, got {self.warmup}")

    def init(self, size: int) -> State:
        """Return z (P,) float32, its eigenvalue, rounds seen, clients' ids and scores, and i*."""
        return {
            "direction": np.zeros(size, np.float32),
            "eigenvalue": np.zeros((), np.float64),
            "rounds": np.zeros((), np.int64),
            "ids": np.empty(0, np.int64),
            "scores": np.empty(0, np.float64),
            "chosen": np.array(NOBODY, np.int64),
        }

    def forge(
        self,
        state: State,
        own: Sequence[Vector],
        honest: Sequence[Vector],
        rng: np.random.Generator,
        ids: Sequence[int] | None = None,
    ) -> tuple[list[Vector], State]:
        """Return copies of one honest delta; in the warm-up, update z and the scores first."""
        if not own:
            return [], state
        check(own, honest, self, needs_honest=True)
        present = list(range(len(honest))) if ids is None else [int(i) for i in ids]
        if not len(set(present)) == len(present) == len(honest):
            raise FedgroupError(
                f"{len(honest)} honest deltas need as many different ids, got {present}"
            )
        if int(state["rounds"]) < self.warmup:
            state, scores = self._learn(state, honest, present)
        elif int(state["chosen"]) in present:
            scores = {int(state["chosen"]): 1.0}
        else:
            scores = _scores(state, honest, present)
        best = max(sorted(present), key=lambda client: abs(scores.get(client, 0.0)))
        copy = honest[present.index(best)].copy()
        return [copy] * len(own), state

    def _learn(
        self, state: State, honest: Sequence[Vector], present: Sequence[int]
    ) -> tuple[State, dict[int, float]]:
        """Return the state after a warm-up round (z, scores and, at the end, i*) and the scores."""
        direction, eigenvalue = top_direction(
            state["direction"], float(state["eigenvalue"]), honest
        )
        state = {
            **state,
            "direction": direction,
            "eigenvalue": np.array(eigenvalue),
            "rounds": np.array(int(state["rounds"]) + 1, np.int64),
        }
        scores = _scores(state, honest, present)
        seen = sorted(scores)
        state["ids"] = np.array(seen, np.int64)
        state["scores"] = np.array([scores[client] for client in seen])
        if int(state["rounds"]) == self.warmup:
            state["chosen"] = np.array(max(seen, key=lambda client: abs(scores[client])), np.int64)
        return state, scores


def _scores(state: State, honest: Sequence[Vector], present: Sequence[int]) -> dict[int, float]:
    """Return the score of every client seen so far, with this round's <z, u_i - mu> added."""
    z = state["direction"]
    along = np.zeros(len(honest))
    for low, mu in means(honest):
        part = z[low : low + CHUNK].astype(np.float64)
        along += [float((u[low : low + CHUNK] - mu) @ part) for u in honest]
    scores = dict(zip(state["ids"].tolist(), state["scores"].tolist(), strict=True))
    for client, value in zip(present, along.tolist(), strict=True):
        scores[client] = scores.get(client, 0.0) + value
    return scores


def top_direction(z: Vector, eigenvalue: float, honest: Sequence[Vector]) -> tuple[Vector, float]:
    """Return the top direction of the past and of this round's deviations from the mean.

    That is the top eigenvector of eigenvalue * z z^T + sum_i (u_i - mu)(u_i - mu)^T. The past
    enters through its own top direction alone: the limit of the running power iteration, taken
    exactly from the (n + 1) x (n + 1) Gram matrix.

    Args:
        z: Top direction so far, (P,) float32; zeros before the first round.
        eigenvalue: Its eigenvalue; 0 before the first round.
        honest: The n honest deltas of this round, (P,) float32 each.

    Returns:
        The unit eigenvector (P,) float32 and its eigenvalue. The sign is kept from z, and in the
        first round makes the largest entry positive. z and its eigenvalue where all are zero.
    """
    n = len(honest)
    gram = np.zeros((n + 1, n + 1))
    for low, mu in means(honest):
        rows = _rows(z, eigenvalue, honest, low, mu)
        gram += rows @ rows.T
    values, vectors = np.linalg.eigh(gram)
    top = float(values[-1])
    if top <= 0:
        return z, eigenvalue
    out = np.empty(len(z), np.float32)
    for low, mu in means(honest):
        rows = _rows(z, eigenvalue, honest, low, mu)
        out[low : low + CHUNK] = vectors[:, -1] @ rows / np.sqrt(top)
    agrees = vectors[0, -1] if eigenvalue > 0 else out[np.abs(out).argmax()]
    return (out if agrees >= 0 else -out), top


def _rows(z: Vector, eigenvalue: float, honest: Sequence[Vector], low: int, mu: Floats) -> Floats:
    """Return one chunk of the past direction and the deviations, (n + 1, C) float64."""
    rows = np.empty((len(honest) + 1, len(mu)))
    rows[0] = np.sqrt(eigenvalue) * z[low : low + CHUNK]
    for row, u in zip(rows[1:], honest, strict=True):
        np.subtract(u[low : low + CHUNK], mu, out=row)
    return rows
