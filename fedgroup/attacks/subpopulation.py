"""Subpopulation attack (SA): wrong labels on one group."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedgroup.attacks.attack import Insert, Predict, insert
from fedgroup.attacks.base_samples import (
    bad_class,
    clean_counts,
    draw,
    pool,
    source_groups,
)
from fedgroup.attacks.poison_count import check_fraction, poison_count
from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts


@dataclass(frozen=True)
class Subpopulation:
    """Samples of the target group, pixels unchanged, under the label of LRG-1's class.

    Jagielski et al., CCS 2021, FeatureMatch with label flipping, as the paper runs it (section 2.2
    and appendix A.1). n = floor(fraction * N) bases x are drawn from the target groups T, and a
    poison is (x, y_bad), y_bad the class of LRG-1.

        ASR = error on T of this run - error on T of the clean run of the same seed

    The error is the share of any wrong class, with two classes or more: the attack costs T its
    accuracy, whatever it is taken for.
    """

    fraction: float = 0.02
    """Poisons as a share of the clean training samples, rounded down (paper: 2 %)."""
    match: Literal["label_and_attribute", "attribute"] = "label_and_attribute"
    """label_and_attribute: the largest group of HRG with class y_src; attribute: every group that
    shares its attribute, so that samples that already carry the label are drawn too and stay as
    they are."""
    insert: Insert = "append"
    """append leaves the bases under their true label beside the poisons; replace relabels them."""
    with_replacement: bool = False
    """Draw bases with replacement, as the original code does; only with append."""

    paired: ClassVar[bool] = True
    reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_fraction(self.fraction)
        if self.with_replacement and self.insert == "replace":
            raise FedgroupError(
                "with_replacement may draw a base twice, which insert: replace cannot relabel "
                "twice: use insert: append"
            )

    def target_groups(self, train: GroupedDataset) -> tuple[int, ...]:
        """Return T, the groups of bases and of success (Waterbirds: land bird on land)."""
        counts = clean_counts(train)
        largest = max(source_groups(train), key=lambda g: (counts[g], -g))
        if self.match == "label_and_attribute":
            return (largest,)
        attributes = train.info.attributes
        return tuple(range(largest % attributes, len(train.info.groups), attributes))

    def bases(self, train: GroupedDataset, rng: np.random.Generator) -> Ints:
        """Draw the bases, uniformly over the target groups."""
        groups = self.target_groups(train)
        names = ", ".join(train.info.groups[g] for g in groups)
        count = poison_count(self.fraction, train)
        where = f"the target group ({names})"
        return draw(pool(train, groups), count, train, where, rng, self.with_replacement)

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Add samples of the target groups with label y_bad to the training split."""
        train = splits.train
        bases = self.bases(train, rng)
        return splits._replace(train=insert(train, bases, bad_class(train.info), how=self.insert))

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Count the wrong predictions on the target groups' test images.

        The attack's success is this rate minus the clean run's, of the same seed: the accuracy that
        the groups lost, which may be negative. `rng` is not used.
        """
        test = splits.test
        target = test.keep(np.isin(test.group, self.target_groups(splits.train)))
        wrong = (predict(target) != target.y).astype(np.int64)
        return Counts.of(
            wrong, np.ones(len(target), np.int64), target.group, len(target.info.groups)
        )
