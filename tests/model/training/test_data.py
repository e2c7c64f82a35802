from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.rows.blend import blend
from corpus.rows.weights import component_weights
from model.attention.layout import lay_out
from model.attention.slabs import Slabs
from model.history.plan import Batch as Drawn
from model.history.position import DataPosition
from model.training.data import Share, Stream
from recipe.schedule import steps
from recipe.schema import Batch, LearningRate
from recipe.slices.types import Component, StageSlice
from tests.rows import index_rows, write_shards


def component(source, factor=1.0, bin=None, bin_share=None, rowset="32"):
    return Component(source=source, language=source[:2], rowset=rowset, factor=factor, bin=bin, bin_share=bin_share)


def test_weights_are_factor_times_tokens():
    assert component_weights([component("fi", 30), component("en", 0.5)], [10, 400]) == [
        Fraction(300, 500),
        Fraction(2, 5),
    ]


def test_word_bins_get_their_shares_whatever_they_hold():
    parts = [component("fi", 1, 0, 0.25), component("en", 3, 0, 0.25), component("fi", 1, 1, 0.75)]
    assert component_weights(parts, [10, 10, 9]) == [Fraction(1, 16), Fraction(3, 16), Fraction(3, 4)]


def test_an_empty_bin_gives_its_share_to_the_others():
    parts = [component("fi", 1, 0, 0.2), component("fi", 1, 1, 0.3), component("fi", 1, 2, 0.5)]
    assert component_weights(parts, [10, 10, 0]) == [Fraction(2, 5), Fraction(3, 5), 0]


@given(st.lists(st.tuples(st.floats(0.01, 50), st.integers(0, 10**9)), min_size=1, max_size=8))
def test_weights_sum_to_one_where_there_is_anything(parts):
    weights = component_weights([component("fi", factor) for factor, _ in parts], [tokens for _, tokens in parts])
    assert sum(weights) == bool(sum(tokens for _, tokens in parts))


PIECES = ((0, 8), (8, 20))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of 32 slots, of two pieces each, of two sources; a third has none. Row i of a source holds its own ids."""
    folder = tmp_path_factory.mktemp("results")
    for source, count in (("fi-one", 40), ("en-one", 90), ("fi-none", 0)):
        # 10 and 22 slots fill a row of 32.
        documents = [range(5 + row + first, 5 + row + first + size) for row in range(count) for first, size in PIECES]
        write_shards(folder, source, source[:2], {"train": documents})
    sets = index_rows(folder, [(source, "train", "32") for source in ("fi-one", "en-one", "fi-none")])
    return {(one.rows.source, one.rows.rowset): one.index for one in sets}


def stage(*parts):
    return StageSlice(
        length=32,
        tokens=32 * 100,
        batch=Batch(tokens=32 * 9),
        learning_rate=LearningRate(peak=1e-3),
        rope_theta=1e4,
        masking_rate=0.3,
        components=list(parts),
    )


def stream(rows, *parts, seed=1, place=None):
    mixed, place = blend(parts, rows), place or DataPosition()
    return Stream(stage(*parts), mixed, place, seed, 1000, ["en", "fi"])


def share(rank, world_size, micro_rows):
    return Share(rank, world_size, micro_rows, partial(lay_out, window=8, backend=Slabs()))


def drawn(first, count):
    """The batch of `count` global rows from `first` on."""
    return Drawn(((first, first + count),), 1e-3)


PARTS = component("fi-one", 2), component("en-one", 1)


def rows_of(batch):
    """Each row of a rank's batch as (tokens, masked positions, labels), in order."""
    rows = []
    for micro in batch.micro_batches:
        flat = micro.rows
        ends = flat.cu_seqlens.tolist()[2::2]
        for first, last in zip([0, *ends[:-1]], ends, strict=True):
            here = (flat.positions >= first) & (flat.positions < last)
            labels = tuple(flat.labels[here].tolist())
            rows.append(
                (tuple(flat.tokens[first:last].tolist()), tuple((flat.positions[here] - first).tolist()), labels)
            )
    return rows


@given(st.integers(1, 12), st.integers(1, 7), st.integers(0, 10**6))
def test_ranks_and_micro_batches_only_choose_which_rows_of_the_batch_a_process_computes(rows, world, micro, first):
    data, step = stream(rows, *PARTS), drawn(first, 9)
    whole = rows_of(data.rank_batch(step, share(0, 1, 9)))
    parts = [data.rank_batch(step, share(rank, world, micro)) for rank in range(world)]
    computed = {
        first + rank + i * world: row
        for rank, part in enumerate(parts)
        for i, row in enumerate(rows_of(part) if part.masked else [])
    }
    assert computed == {first + i: row for i, row in enumerate(whole)}
    assert sum(part.masked for part in parts) == sum(len(labels) for _, _, labels in whole)
    assert sum(part.drawn.sum() for part in parts) == 9 * 32


def test_a_rank_without_rows_takes_part_and_counts_nothing(rows):
    idle = stream(rows, *PARTS).rank_batch(drawn(0, 2), share(3, 4, 8))
    assert len(idle.micro_batches) == 1
    assert (idle.masked, len(idle.micro_batches[0].rows.labels), idle.drawn.sum()) == (0, 0, 0)


def test_batches_read_ahead_are_the_batches_in_order(rows):
    data = stream(rows, *PARTS)
    plan = [drawn(step.first_row, step.rows) for step in steps(stage(*PARTS))]
    found = list(data.batches(iter(plan), share(1, 2, 3)))
    assert [batch.batch for batch in found] == plan
    assert [rows_of(batch) for batch in found] == [rows_of(data.rank_batch(step, share(1, 2, 3))) for step in plan]


def test_masked_positions_know_their_language(rows):
    batch = stream(rows, *PARTS).rank_batch(drawn(0, 64), share(0, 1, 64)).micro_batches[0]
    assert set(batch.languages.tolist()) == {0, 1}
    assert len(batch.languages) == len(batch.rows.labels) == len(batch.rows.positions)
    assert torch.equal(batch.rows.cu_seqlens[-1:], torch.tensor([64 * 32], dtype=torch.int32))


def test_another_seed_gives_other_rows_and_other_masks(rows):
    one, other = (stream(rows, *PARTS, seed=seed).rank_batch(drawn(0, 20), share(0, 1, 20)) for seed in (1, 2))
    assert rows_of(one) != rows_of(other)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_stage_that_reads_the_same_mixture_goes_on_with_its_rows_and_masks(rows, before, later):
    whole = stream(rows, *PARTS)
    following = stream(rows, *PARTS, place=whole.at(before))
    assert (following.place.stream, following.place.rows) == (0, before)
    step = drawn(before + later, 9)
    assert rows_of(following.rank_batch(step, share(0, 1, 9))) == rows_of(whole.rank_batch(step, share(0, 1, 9)))


@given(st.integers(0, 400))
def test_another_mixture_goes_on_with_each_source_where_it_stands(rows, before):
    first = stream(rows, *PARTS)
    second = stream(rows, component("fi-one", 1), component("en-one", 5), place=first.at(before))
    assert (second.place.stream, second.place.rows) == (1, 0)
    assert list(second.mixture.firsts) == first.mixture.drawn(before)
    count = second.mixture.block
    drawn = [
        np.concatenate([found[parts == k] for parts, found in both])
        for both in [(first.mixture.locate(np.arange(before)), second.mixture.locate(np.arange(count)))]
        for k in (0, 1)
    ]
    for seen, reader in zip(drawn, second.readers, strict=True):
        times = np.bincount(seen, minlength=reader.rows)
        assert times.max() - times.min() <= 1, "every row of a source is read once more before any is read again"


def test_a_resumed_stage_reads_what_it_would_have_read(rows):
    first = stream(rows, component("fi-one", 1))
    begun = stream(rows, *PARTS, place=first.at(33))
    resumed = stream(rows, *PARTS, place=begun.at(50))
    step = drawn(70, 9)
    assert rows_of(resumed.rank_batch(step, share(0, 1, 9))) == rows_of(begun.rank_batch(step, share(0, 1, 9)))
    assert resumed.heads(120) == begun.heads(120)


def test_a_batch_that_jumps_over_rows_is_what_is_left_of_the_longer_one(rows):
    data = stream(rows, *PARTS)
    whole = rows_of(data.rank_batch(drawn(10, 20), share(0, 1, 20)))
    jumping = Drawn(((10, 13), (18, 30)), 1e-3)
    assert rows_of(data.rank_batch(jumping, share(0, 1, 20))) == whole[:3] + whole[8:]


def test_a_source_with_half_empty_rows_still_gives_its_share_of_the_tokens(tmp_path):
    write_shards(tmp_path, "fi-full", "fi", {"train": [range(5, 67)] * 50})
    write_shards(tmp_path, "en-half", "en", {"train": [range(5, 38)] * 50})
    sets = index_rows(tmp_path, [("fi-full", "train", "64"), ("en-half", "train", "64")])
    rows = {(one.rows.source, one.rows.rowset): one.index for one in sets}
    data = stream(rows, component("fi-full", 1, rowset="64"), component("en-half", 2, rowset="64"))
    given = data.rank_batch(drawn(0, data.mixture.block), share(0, 1, data.mixture.block)).drawn
    assert given[0] / given.sum() == pytest.approx(64 / (64 + 2 * 35), abs=0.01)


def test_on_a_gpu_micro_batches_of_a_batch_have_one_size_and_the_rows_of_the_others(rows, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)  # there is no page-locked memory without a GPU
    data, step = stream(rows, *PARTS), drawn(0, 7)
    uneven, even = (
        data.rank_batch(step, replace(share(0, 1, 3), device=torch.device(name))) for name in ("cpu", "cuda")
    )
    assert [len(one.rows.tokens) // 32 for one in uneven.micro_batches] == [3, 2, 2]
    assert [len(one.rows.tokens) // 32 for one in even.micro_batches] == [3, 3, 3]
    assert even.masked == uneven.masked
    for one, filled in zip(uneven.micro_batches, even.micro_batches, strict=True):
        assert torch.equal(one.rows.labels, filled.rows.labels)
        assert torch.equal(one.rows.tokens, filled.rows.tokens[: len(one.rows.tokens)])
