"""Pieces and packed rows: properties over any lengths."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.rows.packing import MIN_FILL, Packed, best_fit, cut_documents, fill, pack

PROPERTY = settings(deadline=None, derandomize=True)
ROW_LENGTHS = st.sampled_from([8, 31, 64, 128, 250, 1024])


@st.composite
def documents(draw: st.DrawFn, row_lengths: st.SearchStrategy[int] = ROW_LENGTHS) -> tuple[np.ndarray, int]:
    """Draw counts of ids per document and a row length: many documents of few distinct lengths, which pack worst."""
    length = draw(row_lengths)
    kinds = draw(st.lists(st.tuples(st.integers(0, 3 * length), st.integers(1, 300)), min_size=1, max_size=5))
    return np.array([count for count, times in kinds for _ in range(times)], dtype=np.int64), length


def id_positions(packed: Packed) -> list[range]:
    """Positions of the ids of each placed piece, row by row."""
    starts, counts = packed.pieces.start.tolist(), packed.pieces.count.tolist()
    return [range(starts[piece], starts[piece] + counts[piece]) for row in packed.rows for piece in row]


@PROPERTY
@given(documents())
def test_a_document_longer_than_a_row_is_cut_the_fewest_times_that_fit(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    pieces = cut_documents(counts, length)
    ends = np.cumsum(counts)
    document = np.searchsorted(ends, pieces.start, side="right")
    for number, count in enumerate(counts.tolist()):
        mine = document == number
        assert mine.sum() == -(-count // (length - 2))
        assert pieces.count[mine].sum() == count
        assert (pieces.cut[mine] == (mine.sum() > 1)).all()
    assert (pieces.sizes <= length).all()
    assert (pieces.count > 0).all()


@PROPERTY
@given(documents())
def test_every_token_is_in_exactly_one_row_in_its_order_and_no_row_is_over_length(
    drawn: tuple[np.ndarray, int],
) -> None:
    counts, length = drawn
    packed = pack(cut_documents(counts, length), length)
    spans = sorted(id_positions(packed), key=lambda span: span.start)
    assert [position for span in spans for position in span] == list(range(counts.sum()))
    assert all(len(span) > 0 for span in spans)
    assert all(packed.pieces.sizes[row].sum() <= length for row in packed.rows)
    ends = np.cumsum(counts)
    first, last = (
        np.searchsorted(ends, [edge(span) for span in spans], side="right")
        for edge in (lambda span: span.start, lambda span: span.stop - 1)
    )
    assert (first == last).all(), "a piece holds ids of one document"


@PROPERTY
@given(documents(st.sampled_from([200, 256, 1024, 2000])))
def test_rows_of_200_slots_and_more_are_99_percent_full_whatever_the_lengths(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    packed = pack(cut_documents(counts, length), length)
    assert fill(packed, length) >= MIN_FILL


@PROPERTY
@given(documents(st.sampled_from([8, 31, 64, 128])))
def test_rows_of_fewer_slots_are_99_percent_full_or_have_holes_too_small_for_a_piece(
    drawn: tuple[np.ndarray, int],
) -> None:
    counts, length = drawn
    packed = pack(cut_documents(counts, length), length)
    assert fill(packed, length) >= min(MIN_FILL, 1 - 2 / length)


@PROPERTY
@given(documents())
def test_newly_cut_counts_the_whole_documents_that_were_cut(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    packed = pack(cut_documents(counts, length), length)
    ends = np.cumsum(counts)
    placed = [piece for row in packed.rows for piece in row]
    per_document = np.bincount(np.searchsorted(ends, packed.pieces.start[placed], side="right"), minlength=len(counts))
    short = counts <= length - 2
    assert packed.newly_cut == (per_document[short] > 1).sum()
    assert (
        packed.pieces.cut[placed] == (per_document > 1)[np.searchsorted(ends, packed.pieces.start[placed], "right")]
    ).all()


@PROPERTY
@given(documents())
def test_the_same_lengths_give_the_same_rows(drawn: tuple[np.ndarray, int]) -> None:
    counts, length = drawn
    first, second = (pack(cut_documents(counts, length), length) for _ in range(2))
    assert first.rows == second.rows
    assert (first.pieces.start == second.pieces.start).all()


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


def test_documents_that_fit_are_not_cut_where_best_fit_fills_the_rows() -> None:
    counts = np.array([62, 62] * 50 + [30] * 100 + [94] * 100 + [126] * 7)
    packed = pack(cut_documents(counts, 128), 128)
    assert packed.newly_cut == 0
    assert fill(packed, 128) == 1.0


def test_no_documents_give_no_rows() -> None:
    packed = pack(cut_documents(np.zeros(3, dtype=np.int64), 16), 16)
    assert packed.rows == []
    assert fill(packed, 16) == 1.0
