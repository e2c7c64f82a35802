"""The table of the data order tells entropies that can be checked by hand."""

import numpy as np
import pytest

from benchmarks.order import entropy, look


def test_entropy_is_that_of_the_shares():
    assert entropy(np.array([5, 5, 0, 10])) == pytest.approx(1.5)
    assert entropy(np.array([7])) == 0


def test_a_batch_is_mixed_in_sources_and_in_places_and_read_in_runs():
    ours, shuffled, in_order = ([float(cell.split()[0]) for cell in line[1:]] for line in look(3))
    assert ours[0] == pytest.approx(1.21, abs=0.02)
    assert in_order[1] < 1 < ours[1] < shuffled[1]
    assert in_order[2] <= 3 <= ours[2] <= 40 < shuffled[2]
