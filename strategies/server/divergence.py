"""A run that has diverged ends with one line that names the round, before numbers without sense."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fedgroup.errors import FedgroupError

NOT_FINITE = "NaN or infinite values"
"""Part of the reason for which a reply with such weights is refused."""


def refuse_diverged(diagnostics: Mapping[str, float], number: int) -> None:
    """Refuse a round whose step, or the rule's state after it, has no finite norm.

    Args:
        diagnostics: Norms of the step and of the rule's state, by name.
        number: The round.

    Raises:
        FedgroupError: The run has diverged.
    """
    for name, value in diagnostics.items():
        if name.endswith("_norm") and not math.isfinite(value):
            raise FedgroupError(
                f"diverged in round {number}: the {name.replace('_', ' ')} is {value}: "
                f"lower task.train.lr or the rule's momentum"
            )


def remedy(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what to do about a run of which every round failed; `rows` are its rounds."""
    reasons = [refusal.get("reason", "") for refusal in rows[0].get("refused") or ()]
    if reasons and all(NOT_FINITE in reason for reason in reasons):
        return f"it diverged in round {rows[0]['round']}: lower task.train.lr"
    return "mend the cause"
