"""Which node holds which partition: asked once, before the first round."""

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedgroup.errors import FedgroupError
from fedgroup.update import METRICS


def map_nodes(grid: Grid, clients: int) -> dict[int, int]:
    """Ask every node which partition it holds.

    A grid whose nodes join one by one waits for them itself (strategies/server/remote_sites.py).

    Args:
        grid: The grid that reaches the nodes.
        clients: Number of partitions.

    Returns:
        Partition id -> node id, for all of 0..clients-1.

    Raises:
        FedgroupError: The nodes do not hold each partition once, or one cannot say.
    """
    nodes = sorted(grid.get_node_ids())
    if len(nodes) != clients:
        raise FedgroupError(
            f"{len(nodes)} nodes are connected but task.partition.clients is {clients}: make them "
            f"equal"
        )
    questions = [
        Message(
            content=RecordDict(), message_type=MessageType.QUERY, dst_node_id=node, group_id="0"
        )
        for node in nodes
    ]
    holders: dict[int, int] = {}
    for reply in grid.send_and_receive(questions):
        if reply.has_error():
            raise FedgroupError(
                f"a node could not say which partition it holds: {reply.error.reason}"
            )
        answer = reply.content.metric_records[METRICS]
        holders[int(answer["partition-id"])] = reply.metadata.src_node_id  # type: ignore[arg-type]
    if sorted(holders) != list(range(clients)):
        raise FedgroupError(
            f"the nodes hold partitions {sorted(holders)[:8]}..., expected each of "
            f"0..{clients - 1} once"
        )
    return holders
