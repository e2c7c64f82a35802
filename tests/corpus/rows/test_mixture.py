from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.rows.mixture import SMALLEST_BLOCK, Mixture, source_order

weights = st.lists(
    st.fractions(min_value=Fraction(1, 10**9), max_value=1000, max_denominator=10**9), min_size=1, max_size=40
)


def mixture_of(weights, rows=None, key=b"key"):
    return Mixture(tuple(rows or [7] * len(weights)), tuple(Fraction(weight) for weight in weights), key)


@given(weights, st.integers(0, 10**7))
def test_counts_sum_stay_within_one_row_and_never_fall(weights, blocks):
    mixture = mixture_of(weights)
    counts, following = mixture.counts(blocks), mixture.counts(blocks + 1)
    total = blocks * mixture.block
    assert sum(counts) == total
    assert all(abs(count - total * share) < 1 for count, share in zip(counts, mixture.shares, strict=True))
    assert all(after >= before for before, after in zip(counts, following, strict=True))


@pytest.mark.parametrize("smallest", [Fraction(1, 10**3), Fraction(1, 10**6), Fraction(1, 10**12)])
def test_tiny_weights_are_neither_lost_nor_drawn_twice_too_early(smallest):
    mixture = mixture_of([smallest, Fraction(1), smallest, Fraction(2), smallest * 3])
    assert mixture.block * min(mixture.shares) >= 1
    assert all(count >= 1 for count in mixture.counts(2))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 3))
def test_the_rows_of_whole_blocks_are_exactly_what_the_counts_say(integers, blocks):
    mixture = mixture_of(integers, rows=[3 * n for n in integers])
    components, _ = mixture.locate(np.arange(blocks * mixture.block))
    assert np.bincount(components, minlength=len(integers)).tolist() == mixture.counts(blocks)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=5), st.lists(st.integers(0, 5000), min_size=1, max_size=20))
def test_a_row_is_the_same_alone_and_among_others(rows, asked):
    mixture = mixture_of(range(1, len(rows) + 1), rows=rows)
    components, places = mixture.locate(np.arange(5001))
    alone = [mixture.locate(np.array([row])) for row in asked]
    assert [int(component[0]) for component, _ in alone] == components[asked].tolist()
    assert [int(place[0]) for _, place in alone] == places[asked].tolist()


@settings(deadline=None)
@given(st.integers(1, 1500), st.integers(0, 4))
def test_every_epoch_of_a_source_reads_each_row_once(rows, epoch):
    order = source_order(rows, np.arange(epoch * rows, (epoch + 1) * rows), b"key")
    assert sorted(order.tolist()) == list(range(rows))


def test_epochs_and_seeds_have_other_orders():
    first = source_order(1000, np.arange(1000), b"key")
    assert (first == source_order(1000, np.arange(1000, 2000), b"key")).sum() < 30
    assert (first == source_order(1000, np.arange(1000), b"other")).sum() < 30


def test_a_stage_draws_a_small_source_in_every_epoch_whole():
    mixture = mixture_of([1, 3], rows=[10, 500])
    components, rows = mixture.locate(np.arange(4 * SMALLEST_BLOCK))
    drawn = rows[components == 0]
    assert np.bincount(drawn).max() - np.bincount(drawn).min() <= 1


def test_the_far_end_of_a_stream_is_as_near_as_its_start():
    components, rows = mixture_of([1, 2], rows=[10**9, 10**9]).locate(np.array([10**12, 10**12 + 1]))
    assert set(components.tolist()) <= {0, 1}
    assert (rows < 10**9).all()


@pytest.mark.parametrize(("rows", "shares"), [((), ()), ((1,), (0,)), ((0,), (1,)), ((1, 2), (1,))])
def test_an_impossible_mixture_is_refused(rows, shares):
    with pytest.raises(ValueError, match="mixture"):
        Mixture(rows, tuple(map(Fraction, shares)), b"")
