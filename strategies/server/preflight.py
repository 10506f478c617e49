"""What is checked of a task and a federation together, before anything starts."""

from fedgroup.attacks.updates.independent import Honest
from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.task import Task, assign_clients, malicious_clients
from strategies.aggregator import check_start, no_effect
from strategies.cohort_schedule import cohort_size
from strategies.federation import Federation


def remark(federation: Federation, clients: int) -> str:
    """Return a sentence where the rule comes down to another with these settings; "" where not."""
    plainer = no_effect(federation.aggregator, cohort_size(clients, federation.fraction))
    return f"{type(federation.aggregator).__name__} is here {plainer}." if plainer else ""


def preflight(task: Task, federation: Federation) -> tuple[Ints, ...]:
    """Refuse a federation that cannot run on a task.

    The data, the attack and the partition are loaded, made and checked here; all of them stay
    cached in this process.

    Args:
        task: The data, the attack, the partition and the malicious clients.
        federation: The settings of the server side.

    Returns:
        Each client's shard: positions in the prepared training split.

    Raises:
        FedgroupError: Cohorts are too small for the rule, an attack on updates has nobody to carry
            it out, or the rule says that it will not work.
    """
    shards = assign_clients(task)
    cohort = federation.check(len(shards))
    check_start(federation.aggregator, cohort, task.train)
    attack = federation.byzantine
    if type(attack) is not Honest and not task.attackers.fraction:
        raise FedgroupError(
            f"federation.byzantine is {type(attack).__name__} but no client is malicious: set "
            f"task.attackers.fraction, e.g. 0.2"
        )
    malicious_clients(task)
    return shards
