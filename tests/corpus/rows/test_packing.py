"""Pieces and packed rows: properties over any lengths."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpus.rows.packing
from corpus.rows.packing import Packed, best_fit, pack

PROPERTY = settings(deadline=None, derandomize=True)
ROW_LENGTHS = st.sampled_from([3, 8, 31, 64, 128, 250, 1024])


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus.rows.packing, "WINDOW_SLOTS", 2000)
    monkeypatch.setattr(corpus.rows.packing, "WINDOW_ROWS", 4)


@st.composite
def documents(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Draw counts of ids per document and a row length: many documents of few distinct lengths, which pack worst."""
    length = draw(ROW_LENGTHS)
    kinds = draw(st.lists(st.tuples(st.integers(0, 3 * length), st.integers(1, 300)), min_size=1, max_size=5))
    return np.array([count for count, times in kinds for _ in range(times)], dtype=np.int64), length


def pack_documents(counts: np.ndarray, length: int) -> Packed:
    """Pack documents that lie one after the other."""
    return pack(np.cumsum(counts) - counts, counts, length)


def rows_of(packed: Packed) -> list[list[range]]:
    """Positions of the ids of each piece, by row."""
    starts, counts = packed.pieces.start.tolist(), packed.pieces.count.tolist()
    spans = [range(start, start + count) for start, count in zip(starts, counts, strict=True)]
    return [spans[begin:end] for begin, end in pairwise([0, *packed.ends])]


@PROPERTY
@given(documents())
def test_every_id_is_in_exactly_one_row_and_no_row_is_over_length(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    rows = rows_of(pack_documents(counts, length))
    spans = sorted((span for row in rows for span in row), key=lambda span: span.start)
    assert [position for span in spans for position in span] == list(range(counts.sum()))
    assert all(row and all(row) for row in rows)
    assert all(sum(len(span) + 2 for span in row) <= length for row in rows)


@PROPERTY
@given(documents())
def test_a_document_is_cut_the_fewest_times_that_its_length_needs(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    packed = pack_documents(counts, length)
    document = np.searchsorted(np.cumsum(counts), packed.pieces.start, side="right")
    last = np.searchsorted(np.cumsum(counts), packed.pieces.start + packed.pieces.count - 1, side="right")
    assert (document == last).all(), "a piece holds ids of one document"
    pieces = np.bincount(document, minlength=len(counts))
    assert pieces.tolist() == (-(-counts // (length - 2))).tolist()


@PROPERTY
@given(documents())
def test_filled_is_what_the_rows_hold_and_equal_lengths_give_equal_rows(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    first, second = (pack_documents(counts, length) for _ in range(2))
    assert first.filled.tolist() == [sum(len(span) + 2 for span in row) for row in rows_of(first)]
    assert rows_of(first) == rows_of(second)


@PROPERTY
@given(st.lists(st.integers(3, 20), max_size=60))
def test_best_fit_places_each_piece_where_the_least_room_holds_it(sizes: list[int]) -> None:
    rows: list[int] = []
    for size in sorted(sizes, reverse=True):
        fitting = [free for free in rows if free >= size]
        if fitting:
            rows[rows.index(min(fitting))] -= size
        else:
            rows.append(20 - size)
    packed = best_fit(np.array(sizes, dtype=np.int64), 20)
    assert sorted(20 - sum(sizes[piece] for piece in row) for row in packed) == sorted(rows)


@pytest.mark.parametrize(("length", "least"), [(1024, 0.999), (8192, 0.995)])
def test_lengths_of_real_documents_fill_the_rows(length: int, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    chance = np.random.default_rng(0)
    counts = np.minimum(chance.lognormal(5.5, 1.3, 40_000).astype(np.int64) + 1, 200_000)  # manuals: median 245 ids
    packed = pack_documents(counts, length)
    assert packed.filled.sum() / (len(packed.ends) * length) >= least


def test_pieces_that_never_fill_a_row_wait_within_bounds_and_rows_stay_near(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.full(3000, 600)
    longest: list[int] = []
    fit = best_fit
    monkeypatch.setattr(
        corpus.rows.packing, "best_fit", lambda sizes, length: longest.append(len(sizes)) or fit(sizes, length)
    )
    packed = pack_documents(counts, 1024)
    assert len(packed.ends) == 3000
    assert max(longest) <= 1.5 * 4 * 1024 / 602 + 1


def test_no_documents_and_documents_without_ids_give_no_rows() -> None:
    for counts in (np.zeros(0, dtype=np.int64), np.zeros(3, dtype=np.int64)):
        packed = pack_documents(counts, 16)
        assert packed.ends.tolist() == packed.pieces.count.tolist() == packed.filled.tolist() == []
