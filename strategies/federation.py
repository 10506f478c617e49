"""Federation: the settings of the server side of a run."""

import math
from dataclasses import dataclass
from typing import Literal

from fedgroup.attacks import BYZANTINE_NAMES
from fedgroup.attacks.updates.update_attack import UpdateAttack
from fedgroup.errors import FedgroupError
from fedgroup.spec import component
from strategies import NAMES
from strategies.aggregator import Aggregator
from strategies.cohort_schedule import cohort_size


@dataclass(frozen=True)
class Federation:
    """Rounds, cohorts and the aggregation rule.

    The defaults are those of the paper (appendix A.1), where it gives any.
    """

    aggregator: Aggregator = component(NAMES, "fedavg")
    """Aggregation rule: a short name or my_pkg.mod:MyRule."""
    byzantine: UpdateAttack = component(BYZANTINE_NAMES, "none")
    """What malicious clients (task.attackers) send instead of their update: none, sign_flip, alie,
    ..."""
    rounds: int = 100
    """Communication rounds (the paper does not say; 100 is ours)."""
    fraction: float = 0.1
    """Share of clients that train in each round."""
    buffers: Literal["auto", "mean", "rule", "keep"] = "auto"
    """BatchNorm statistics: mean of clients, the same rule as the weights, or the server's own
    kept. auto: rule for coordinate-wise rules (median, trimmed mean), mean otherwise."""
    min_valid: int | None = None
    """Fewest admitted replies for a round to count; default: what the rule needs."""
    on_failure: Literal["proceed", "fail"] = "proceed"
    """A client that failed or did not answer: go on where min_valid replies are left, or stop the
    run."""
    max_norm: float | None = None
    """Refuse a reply whose update has a larger L2 norm; default: no bound."""
    eval_every: int = 1
    """Evaluate every this many rounds (and after the last)."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.eval_every < 1:
            raise FedgroupError(
                f"rounds {self.rounds} and eval_every {self.eval_every} must be at least 1"
            )
        cohort_size(1, self.fraction)
        rule = type(self.aggregator).__name__
        if not isinstance(getattr(self.aggregator, "coordinatewise", None), bool):
            raise FedgroupError(
                f"{rule} does not say whether it is coordinate-wise: add to the class "
                f"coordinatewise: ClassVar[bool] = False"
            )
        if self.min_valid is not None and self.min_valid < 1:
            raise FedgroupError(f"min_valid must be at least 1, got {self.min_valid}")
        if self.max_norm is not None and not 0 < self.max_norm < math.inf:
            raise FedgroupError(f"max_norm must be positive and finite, got {self.max_norm}")
        if self.buffers == "rule" and not self.aggregator.coordinatewise:
            raise FedgroupError(
                f"buffers: rule does not work with {type(self.aggregator).__name__}, which is not "
                f"coordinate-wise: use mean or keep"
            )

    def needed(self) -> int:
        """Return the fewest admitted replies for a round to count."""
        least = self.aggregator.min_clients()
        if type(least) is not int or least < 1:
            raise FedgroupError(
                f"{type(self.aggregator).__name__}.min_clients returned {least!r}, expected a "
                f"whole number of at least 1"
            )
        return max(least, self.min_valid or 1)

    def buffer_policy(self) -> Literal["mean", "rule", "keep"]:
        """Return what happens to BatchNorm statistics, with `auto` resolved."""
        if self.buffers == "auto":
            return "rule" if self.aggregator.coordinatewise else "mean"
        return self.buffers

    def check(self, clients: int) -> int:
        """Return the size of a cohort; refuse one that can never satisfy the rule."""
        size = cohort_size(clients, self.fraction)
        if size < self.needed():
            raise FedgroupError(
                f"{type(self.aggregator).__name__} needs {self.needed()} valid clients per round, "
                f"but {self.fraction:g} of {clients} clients is {size}: raise federation.fraction "
                f"or task.partition.clients, or lower what the rule drops"
            )
        return size
