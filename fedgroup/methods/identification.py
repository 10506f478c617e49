"""What a method identified as under-represented: JTT's error set, and how well it meets the groups."""

from fedgroup.dataset import Bools, GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import selection_rates


def error_set(predicted: Ints, data: GroupedDataset) -> Bools:
    """Samples whose prediction (N,) misses the label, (N,) bool; by position in `data`."""
    if predicted.shape != data.y.shape:
        raise FedgroupError(
            f"{predicted.shape} predictions for {len(data)} samples: give one per sample"
        )
    found: Bools = predicted != data.y
    return found


def precision_recall(found: Bools, wanted: Bools) -> tuple[float | None, float | None]:
    """Share of `found` that is wanted, and share of `wanted` that is found; None of an empty set."""
    both = int((found & wanted).sum())
    sizes = int(found.sum()), int(wanted.sum())
    precision, recall = (both / size if size else None for size in sizes)
    return precision, recall


def idnf(found: Bools, data: GroupedDataset) -> dict[str, float | None]:
    """IDNF: percentage of every reported tier and of the poisons that was identified (paper, section 2.3)."""
    return selection_rates(found, data.group, data.poison, data.info.reported_tiers())
