"""What Flower's strategies need that is not here, and which of their settings do nothing here.

A strategy that would run, and be another one than its name says, is refused before the first round.
"""

import math
from collections.abc import Mapping

from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp import Grid, strategy
from flwr.serverapp.strategy import Strategy

from fedgroup.errors import FedgroupError
from fedgroup.train import TrainConfig
from strategies.rules.settings import is_count, is_positive

CLIENT_SIDE = (
    strategy.DifferentialPrivacyClientSideAdaptiveClipping,
    strategy.DifferentialPrivacyClientSideFixedClipping,
)
SERVER_SIDE = (
    strategy.DifferentialPrivacyServerSideAdaptiveClipping,
    strategy.DifferentialPrivacyServerSideFixedClipping,
)
TREES = (strategy.FedXgbBagging, strategy.FedXgbCyclic)
HEARD = {"proximal-mu": "proximal_mu"}
"""What a strategy may tell the clients -> the setting of task.train that must say the same."""

_UNUSED = {
    "fraction_train": (1, "clients are sampled by federation.fraction"),
    "fraction_evaluate": (0, "clients are not asked to evaluate"),
    "min_evaluate_nodes": (0, "clients are not asked to evaluate"),
    "arrayrecord_key": ("arrays", "the clients are sent their messages by our server"),
    "configrecord_key": ("config", "the clients are sent their messages by our server"),
    "eta_l": (None, "no equation of Flower's has it: set task.train.lr"),
}
"""Option of a Flower strategy without effect here -> the value that is true, and the reason."""


def shipped(cls: type[Strategy]) -> bool:
    """Return whether a strategy is one of Flower's own."""
    return cls.__module__.startswith("flwr.")


def refuse_class(cls: type[Strategy]) -> None:
    """Refuse a class that has no place here, whatever its options."""
    if issubclass(cls, TREES):
        raise FedgroupError(
            "it adds up trees of XGBoost, and clients here send the parameters of a network"
        )
    if issubclass(cls, CLIENT_SIDE):
        raise FedgroupError(
            "it adds noise for updates that the clients clip by one of Flower's client mods, which "
            "clients here do not have: use the server-side variant or norm_clipping"
        )
    if issubclass(cls, SERVER_SIDE) and shipped(cls):
        raise FedgroupError(
            "it wraps another strategy, which no setting can hold: write a class of your own whose "
            "__init__ makes both, and give its import path"
        )


def refuse_unused(cls: type[Strategy], options: Mapping[str, object]) -> None:
    """Refuse options of a Flower strategy that would have no effect."""
    if not issubclass(cls, strategy.FedAvg):
        return
    for name, (value, reason) in _UNUSED.items():
        if name in options and options[name] != value:
            raise FedgroupError(f"its option {name} has no effect here ({reason}): leave it out")
    weight = options.get("weighted_by_key", "num-examples")
    if weight not in ("num-examples", "train_loss"):
        raise FedgroupError(
            f"weighted_by_key is '{weight}', which clients do not send: num-examples or train_loss"
        )
    if issubclass(cls, strategy.QFedAvg) and options.get("train_loss_key") not in (
        None,
        "train_loss",
    ):
        raise FedgroupError("train_loss_key must be train_loss, as clients send it")


def refuse_own_loop(made: Strategy) -> None:
    """Refuse a strategy with a loop of its own, or that reads what clients evaluate."""
    cls = type(made)
    if cls.start is not Strategy.start:
        raise FedgroupError(
            "it has a start() of its own, which is never called: rounds are run by our server"
        )
    if cls.aggregate_evaluate.__module__.startswith("flwr."):
        return
    nobody: Grid = _Unreachable()
    try:
        asks = bool(list(made.configure_evaluate(1, ArrayRecord(), ConfigRecord(), nobody)))
    except Exception:  # it looks for nodes, or for what it needs: it wants to evaluate
        asks = True
    if asks:
        raise FedgroupError(
            "its aggregate_evaluate is never called, because clients are not asked to evaluate "
            "here: leave it out, or set fraction_evaluate 0 where training does not need it"
        )


class _Unreachable(Grid):
    """A grid whose nodes nobody may ask for."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise FedgroupError("no node is asked to evaluate")

    set_run = run = create_message = get_node_ids = _refuse  # type: ignore[assignment]
    push_messages = pull_messages = send_and_receive = _refuse  # type: ignore[assignment]


def fewest(made: Strategy) -> int:
    """Return the fewest clients of a round with which a strategy does what it says."""
    needed = [1]
    if isinstance(made, strategy.FedAvg):
        for name in ("min_train_nodes", "min_available_nodes"):
            value = getattr(made, name)
            if not is_count(value):
                raise FedgroupError(f"{name} must be a whole number, got {value!r}")
            needed.append(int(value))
    if isinstance(made, SERVER_SIDE):
        needed += [made.num_sampled_clients, fewest(made.strategy)]
    if isinstance(made, strategy.Bulyan):
        needed.append(4 * made.num_malicious_nodes + 3)
    if isinstance(made, strategy.MultiKrum):
        # below that Flower takes one neighbour in place of n - f - 2
        needed += [made.num_malicious_nodes + 3, made.num_nodes_to_select]
    if isinstance(made, strategy.FedTrimmedAvg) and made.beta > 0:
        least = math.ceil(1 / made.beta)
        needed.append(next(n for n in (least - 1, least, least + 1) if int(made.beta * n) >= 1))
    return max(needed)


def refuse_no_effect(made: Strategy, cohort: int) -> None:
    """Refuse options of Flower's own strategies with which they are another, plainer one."""
    reason = ""
    if isinstance(made, strategy.FedProx) and made.proximal_mu == 0:
        reason = "proximal_mu is 0, which is FedAvg: set it, and task.train.proximal_mu alike"
    if isinstance(made, strategy.FedAvgM) and not made.server_opt:
        reason = "server_momentum is 0 and server_learning_rate 1, which is FedAvg: set one"
    if isinstance(made, strategy.FedTrimmedAvg) and made.beta == 0:
        reason = "beta is 0, which is an average: set it above 0"
    if isinstance(made, strategy.Bulyan) and made.num_malicious_nodes == 0:
        reason = "num_malicious_nodes is 0, which is an average: set it"
    if type(made) is strategy.MultiKrum and made.num_nodes_to_select >= cohort:
        reason = f"num_nodes_to_select is all {cohort} clients of a round, which is FedAvg"
    if isinstance(made, strategy.QFedAvg) and made.q == 0:
        reason = "q is 0, which is an average: set it above 0"
    for name in ("eta", "server_learning_rate", "client_learning_rate", "tau"):
        value = getattr(made, name, 1.0) if shipped(type(made)) else 1.0
        if not is_positive(value):
            reason = f"{name} is {value}: it must be positive and finite"
    if isinstance(made, SERVER_SIDE) and made.num_sampled_clients != cohort:
        reason = f"num_sampled_clients is {made.num_sampled_clients}, a round has {cohort} clients"
    if reason:
        raise FedgroupError(reason)


def refuse_instructions(told: Mapping[str, object], train: TrainConfig | None) -> None:
    """Refuse what a strategy tells the clients and they do not do.

    Args:
        told: What it tells, by name.
        train: How the clients train; None where that is not known.

    Raises:
        FedgroupError: It tells what no client hears, or another value than the clients train with.
    """
    for key, value in told.items():
        if key not in HEARD:
            raise FedgroupError(
                f"it tells the clients {key} = {value!r}, which they do not hear: their settings "
                f"are those of task.train"
            )
        setting = HEARD[key]
        if train is not None and value != getattr(train, setting):
            raise FedgroupError(
                f"it tells the clients {key} = {value!r}, and they train with "
                f"{getattr(train, setting)!r}: set task.train.{setting}={value}"
            )


def refuse_other_rate(made: Strategy, train: TrainConfig) -> None:
    """Refuse a QFedAvg whose 1/L is not the rate that the clients train with."""
    if isinstance(made, strategy.QFedAvg) and made.client_learning_rate != train.lr:
        raise FedgroupError(
            f"client_learning_rate is {made.client_learning_rate}, and the clients train with "
            f"task.train.lr {train.lr}: set them alike"
        )
