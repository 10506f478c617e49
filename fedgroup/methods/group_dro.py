"""GroupDRO: group labels are known, and the worst groups weigh most.

Departures from the authors' code: the group weights are kept in log space and saved with the
checkpoint (theirs are lost when a run is resumed); a group that no sample has is left out.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.clustering.clusters import compact
from fedgroup.methods.dro_objective import DROLoss
from fedgroup.methods.group_sampling import uniform_over_groups
from fedgroup.methods.method import Method


@dataclass(frozen=True)
class GroupDRO(Method):
    """Group distributionally robust optimisation (Sagawa et al., ICLR 2020, algorithm 1).

    Minimises max_g E_g[l(x, y)] over the groups g, online: sum_g q_g * (L_g + C/sqrt(n_g)) with L_g
    the mean loss of group g in the batch, n_g its training samples, C the size adjustment (section
    3.3) and q the group weights, which grow exponentially with the losses (dro_objective.py).

    The defaults are the authors': eta 0.01, no size adjustment. For Waterbirds they train 300
    epochs with lr 1e-3 and weight decay 1e-4, or, strongly regularised, with lr 1e-5 and weight
    decay 1.0; batch 128, momentum 0.9. CelebA: 50 epochs, lr 1e-4.
    """

    loss: DROLoss = DROLoss()
    """The objective."""
    sampler: Literal["uniform", "shuffle"] = "uniform"
    """uniform: as many draws as samples, with replacement, uniform over groups (the authors'
    commands); shuffle: every sample once."""

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train on the group labels that an annotator would give."""
        train = splits.train
        ids, _ = compact(annotated_groups(train))
        objective = self.loss.over(train, ids, trainer.device)
        draw = None if self.sampler == "shuffle" else lambda rng: uniform_over_groups(ids, rng)
        trainer.train(train, objective=objective, draw=draw, state=objective)


def annotated_groups(data: GroupedDataset) -> Ints:
    """Return the group of each sample by its label and attribute, (N,): A*y + a.

    For clean samples that is their group. A poison with a wrong label counts where that label puts
    it, because the group file of the authors is made from labels.
    """
    attributes = data.info.attributes
    return np.asarray(attributes * data.y + data.group % attributes, np.int64)
