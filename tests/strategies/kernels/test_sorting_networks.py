"""Comparator networks: they sort, and the programs made of them are small."""

import itertools

import numpy as np
import pytest

from strategies.kernels.sorting_networks import comparators, program, prune


@pytest.mark.parametrize("wires", range(1, 13))
def test_networks_sort_every_zero_one_input(wires: int) -> None:
    """The zero-one principle: a network that sorts all 0/1 inputs sorts everything."""
    bits = np.array(list(itertools.product([0, 1], repeat=wires))).T
    for i, j in comparators(wires):
        assert i < j
        bits[i], bits[j] = np.minimum(bits[i], bits[j]), np.maximum(bits[i], bits[j])
    assert (np.diff(bits, axis=0) >= 0).all()


def test_ten_wires_are_optimal_and_pruned_as_in_the_spec() -> None:
    assert len(comparators(10)) == 29
    assert sum(low + high for *_, low, high in prune(comparators(10), (4, 5))) == 50
    assert len(program(10, tuple(range(2, 8))).steps) == 54


@pytest.mark.parametrize("wires", [2, 5, 10, 33, 64])
def test_programs_never_write_an_input_and_need_few_registers(wires: int) -> None:
    code = program(wires, ((wires - 1) // 2, wires // 2))
    assert all(target >= wires for *_, target in code.steps)
    assert code.registers <= wires + 1
