import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.rows.keys import derive_key
from corpus.rows.permutation import Permutation


@given(st.integers(1, 5000), st.binary(min_size=1, max_size=8))
def test_every_index_is_reached_exactly_once(size, key):
    assert sorted(Permutation(size, key)(np.arange(size))) == list(range(size))


@given(st.integers(1, 2**50), st.integers(0, 2**50), st.binary(max_size=4))
def test_one_index_of_a_huge_range_is_found_alone(size, index, key):
    value = Permutation(size, key)(np.array([index % size]))
    assert 0 <= value[0] < size
    assert value == Permutation(size, key)(np.array([index % size, 0]))[:1]


def test_keys_give_unrelated_orders():
    first, second = (Permutation(10_000, key)(np.arange(10_000)) for key in (b"a", b"b"))
    assert (first == second).sum() < 20
    assert abs(np.corrcoef(first, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_the_order_is_the_same_on_every_machine_and_version():
    assert Permutation(1000, b"alasin")(np.arange(8)).tolist() == [12, 151, 996, 997, 526, 417, 799, 868]


@pytest.mark.parametrize(("one", "other"), [(("a", "bc"), ("ab", "c")), ((1, 2), (12,)), (("1",), (1,))])
def test_keys_of_different_parts_differ(one, other):
    assert derive_key(*one) != derive_key(*other)
