"""The order of a source's rows: each once an epoch, near each other on disk, and the same documents at any length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.rows.order import GROUP, MOST_BLOCK_IDS, WANTED_BLOCKS, SourceOrder, block_count


def order_of(rows, blocks=40, key=b"key", name="1024"):
    return SourceOrder(rows, blocks, key, name)


def read(order, first, count):
    return order(np.arange(first, first + count))


@settings(deadline=None)
@given(st.integers(1, 1500), st.integers(1, 80), st.integers(0, 4))
def test_every_epoch_reads_each_row_once(rows, blocks, epoch):
    order = order_of(rows, blocks)
    assert sorted(read(order, epoch * rows, rows).tolist()) == list(range(rows))


@settings(deadline=None)
@given(st.integers(1, 1500), st.integers(1, 80), st.lists(st.integers(0, 4000), min_size=1, max_size=9))
def test_a_row_is_the_same_alone_and_among_others(rows, blocks, asked):
    order = order_of(rows, blocks)
    together = order(np.array(asked))
    assert [int(order(np.array([one]))[0]) for one in asked] == together.tolist()


def test_epochs_keys_and_sets_of_rows_have_other_orders():
    first = read(order_of(1000), 0, 1000)
    for other in (read(order_of(1000), 1000, 1000), read(order_of(1000, key=b"other"), 0, 1000)):
        assert (first == other).sum() < 30
    assert (first == read(order_of(1000, name="1024-words-9-"), 0, 1000)).sum() < 100


def test_a_group_of_rows_is_read_from_a_few_runs_of_neighbours():
    rows = read(order_of(100_000, 1000), 0, GROUP * 100)
    runs = np.unique(rows // 100)
    assert len(runs) == GROUP
    assert np.diff(runs).max() > 1
    assert np.corrcoef(rows[:-1], rows[1:])[0, 1] < 0.1, "rows of a group are shuffled together"


def test_half_an_epoch_at_one_length_and_half_at_another_read_nearly_every_document_once():
    # Each document is a tenth of a row of the shorter set; a row of the longer one is eight of those.
    documents, blocks = 640_000, 1000
    short, long = order_of(documents // 10, blocks), order_of(documents // 80, blocks, name="8192")
    first = read(short, 0, short.rows // 2)
    second = read(long, -(-(short.rows // 2) * long.rows // short.rows), long.rows // 2)
    times = np.zeros(documents, dtype=np.int64)
    np.add.at(times, (first[:, None] * 10 + np.arange(10)).ravel(), 1)
    np.add.at(times, (second[:, None] * 80 + np.arange(80)).ravel(), 1)
    assert (times != 1).mean() < 2 * GROUP / blocks


@settings(deadline=None)
@given(st.integers(1, 600), st.integers(1, 60), st.integers(0, 1500), st.integers(0, 900))
def test_the_ranges_that_are_touched_hold_every_row_that_is_read(rows, blocks, first, count):
    order = order_of(rows, blocks)
    held = {row for begin, end in order.touched(first, count) for row in range(begin, end)}
    assert set(read(order, first, count).tolist()) <= held
    assert held <= set(range(rows))


def test_a_part_of_an_epoch_touches_a_part_of_the_rows():
    order = order_of(100_000, 1000)
    touched = {row for begin, end in order.touched(30_000, 10_000) for row in range(begin, end)}
    assert len(touched) <= 10_000 + 2 * GROUP * 100


@pytest.mark.parametrize("ids", [0, 1, 65_535, 10**6, 10**9, 10**13])
def test_blocks_are_many_where_a_source_is_small_and_of_megabytes_where_it_is_large(ids):
    blocks = block_count(ids)
    assert blocks >= 1
    assert ids // blocks <= max(2 * MOST_BLOCK_IDS, ids // WANTED_BLOCKS if ids < MOST_BLOCK_IDS else 0)
    assert block_count(2 * ids) >= blocks
