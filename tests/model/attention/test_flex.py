"""FlexAttention's blocks say what the definition says; its kernel for CPUs, which has no gradients, computes it."""

from itertools import accumulate

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention import reference
from model.attention.flex import BLOCK, Flex, FlexPlan, block_mask
from model.attention.interface import checked


def planned(lengths: list[int], window: int | None) -> FlexPlan:
    return Flex().plan(checked(list(accumulate(lengths, initial=0))), window)


def dense(lengths: list[int], window: int | None) -> np.ndarray:
    piece = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(piece))
    seen = piece[:, None] == piece
    return seen if window is None else seen & (np.abs(place[:, None] - place) <= window // 2)


def blocks(indices: torch.Tensor, count: torch.Tensor) -> list[set[int]]:
    return [set(row[:n].tolist()) for row, n in zip(indices[0, 0], count[0, 0], strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.one_of(st.integers(1, 12), st.integers(1, 500)), min_size=1, max_size=8),
    window=st.one_of(st.none(), st.integers(0, 300)),
)
def test_every_pair_that_sees_is_in_a_block_and_whole_blocks_see_all(lengths: list[int], window: int | None) -> None:
    plan = planned(lengths, window)
    seen = dense(lengths, window)
    count = len(plan.piece) // BLOCK
    padded = np.zeros((count * BLOCK, count * BLOCK), dtype=bool)
    padded[: len(seen), : len(seen)] = seen
    tiles = padded.reshape(count, BLOCK, count, BLOCK)
    some, all_ = tiles.any((1, 3)), tiles.all((1, 3))
    part, whole = blocks(plan.seen, plan.seen_count), blocks(plan.whole, plan.whole_count)
    for query in range(count):
        assert not part[query] & whole[query]
        assert set(np.flatnonzero(some[query]).tolist()) <= part[query] | whole[query]
        assert whole[query] == set(np.flatnonzero(all_[query]).tolist())


@pytest.mark.parametrize("window", [None, 16, 128])
def test_the_mask_inside_a_block_is_that_of_pieces_and_window(window: int | None) -> None:
    lengths = [1, 100, 60, 3, 200]
    mask = block_mask(planned(lengths, window)).mask_mod
    place = torch.arange(sum(lengths))
    found = mask(None, None, place[:, None], place[None])
    assert np.array_equal(found.numpy(), dense(lengths, window))


def test_its_kernel_for_cpus_gives_what_the_reference_gives() -> None:
    lengths, window = [1, 300, 2, 127, 500, 77], 300
    plan = planned(lengths, window)
    assert int(plan.seen_count.sum()) > int(plan.whole_count.sum()) > 0
    q, k, v = torch.randn(3, sum(lengths), 2, 32, generator=torch.Generator().manual_seed(0)).unbind()
    with torch.no_grad():
        found = Flex().attend(q, k, v, plan)
    expected = reference.attend(q, k, v, v, list(accumulate(lengths, initial=0)), window).output.float()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_cpu_and_odd_heads_are_refused() -> None:
    assert Flex().why_not(torch.device("cpu"), 64) == "it has no gradients on a CPU"
    assert Flex().why_not(torch.device("cuda"), 24) == "heads of 24 are no power of two from 16 on"
    assert Flex().why_not(torch.device("cuda"), 64) is None
