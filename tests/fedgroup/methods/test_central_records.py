"""What a centralized run writes of its selections."""

import numpy as np

from fedgroup.group_metrics import tier_rates
from fedgroup.methods.central_records import tally
from tests.fedgroup.methods.cases import dataset


def test_the_tally_is_that_of_idnf() -> None:
    data = dataset([0, 0, 1, 2, 3, 3, 2, 0], poison=[6, 7])
    found = np.array([True, False, True, True, False, True, True, False])
    percent = {name: 100.0 * (n / of) for name, (n, of) in tally(found, data).items()}
    assert percent == tier_rates(found, data)
    assert percent["poisons"] == 50.0
    assert percent["HRG same class"] == 50.0  # groups of class 1 in HRG: the two samples of group 3
