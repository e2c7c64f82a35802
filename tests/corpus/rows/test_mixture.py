from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpus.rows.mixture
from corpus.rows.mixture import SMALLEST_BLOCK, Mixture
from corpus.rows.order import SourceOrder
from corpus.rows.weights import LARGEST_BLOCK, at_least_a_share

weights = st.lists(
    st.fractions(min_value=Fraction(1, 10**3), max_value=300, max_denominator=10**6), min_size=1, max_size=40
)


def mixture_of(weights, rows=None, key=b"key", firsts=None):
    orders = [SourceOrder(count, 3, bytes([number]), "32") for number, count in enumerate(rows or [7] * len(weights))]
    firsts = firsts or [0] * len(weights)
    return Mixture(tuple(orders), tuple(firsts), tuple(Fraction(weight) for weight in weights), key)


@given(weights, st.integers(0, 10**7))
def test_counts_sum_stay_within_one_row_and_never_fall(weights, blocks):
    mixture = mixture_of(weights)
    counts, following = mixture.counts(blocks), mixture.counts(blocks + 1)
    total = blocks * mixture.block
    assert sum(counts) == total
    assert all(abs(count - total * share) < 1 for count, share in zip(counts, mixture.shares, strict=True))
    assert all(after >= before for before, after in zip(counts, following, strict=True))


@pytest.mark.parametrize("smallest", [Fraction(1, 10**3), Fraction(1, 10**6)])
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


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 5000))
def test_what_is_drawn_up_to_a_row_is_known_without_looking_at_rows(integers, rows):
    mixture = mixture_of(integers)
    components, _ = mixture.locate(np.arange(rows))
    drawn = np.bincount(components, minlength=len(integers)).tolist()
    assert mixture.drawn(rows) == drawn, "of a block that has been read"
    assert mixture_of(integers).drawn(rows) == drawn, "and of one that has not"


def test_a_large_block_is_made_in_pieces(monkeypatch):
    mixture = mixture_of([1, 2, 5])
    whole = mixture.drawn(1000)
    monkeypatch.setattr(corpus.rows.mixture, "PLACES_AT_ONCE", 7)
    again = mixture_of([1, 2, 5])
    assert again.drawn(1000) == whole
    assert np.array_equal(again.locate(np.arange(1000)), mixture.locate(np.arange(1000)))


def test_a_component_that_was_read_before_goes_on():
    begun = mixture_of([1, 3], rows=[10, 500])
    drawn = begun.drawn(300)
    later = mixture_of([2, 1], rows=[10, 500], firsts=drawn, key=b"later")
    parts = [mixture.locate(np.arange(rows)) for mixture, rows in ((begun, 300), (later, 900))]
    seen = np.concatenate([rows[components == 1] for components, rows in parts])
    assert len(seen) == drawn[1] + later.drawn(900)[1]
    assert np.bincount(seen, minlength=500).max() - np.bincount(seen, minlength=500).min() <= 1


def test_a_share_that_no_block_could_hold_is_raised_to_what_one_holds():
    weights = [Fraction(1, 10**15), Fraction(1), Fraction(3)]
    with pytest.raises(ValueError, match="smallest share"):
        mixture_of(weights)
    raised = mixture_of(at_least_a_share(weights))
    assert raised.block <= LARGEST_BLOCK
    assert raised.shares[1:] == pytest.approx((1 / 4, 3 / 4), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 3000), st.integers(0, 3000), st.lists(st.integers(1, 400), min_size=1, max_size=4))
def test_the_ranges_that_are_touched_hold_every_row_that_is_drawn(begin, count, rows):
    mixture = mixture_of(range(1, len(rows) + 1), rows=rows)
    components, found = mixture.locate(np.arange(begin, begin + count))
    held = {(k, row) for k, first, end in mixture.touched(begin, begin + count) for row in range(first, end)}
    assert {*zip(components.tolist(), found.tolist(), strict=True)} <= held
    assert all(0 <= row < rows[component] for component, row in held)


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
    orders = tuple(SourceOrder(count, 1, b"", "32") for count in rows)
    with pytest.raises(ValueError, match="mixture"):
        Mixture(orders, (0,) * len(rows), tuple(map(Fraction, shares)), b"")
