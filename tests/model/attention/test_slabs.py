"""Packed attention against a dense reference in float64 that knows nothing of slabs and groups."""

from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.attention.interface import checked
from model.attention.slabs import QUERIES_PER_SLAB, SlabPlan, Slabs


def planned(lengths: list[int], window: int | None) -> SlabPlan:
    return Slabs().plan(checked(list(accumulate(lengths, initial=0))), window)


def dense(q: Tensor, k: Tensor, v: Tensor, lengths: list[int], window: int | None) -> Tensor:
    piece = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    position = torch.arange(len(piece))
    seen = piece[:, None] == piece
    if window is not None:
        seen &= (position[:, None] - position).abs() <= window // 2
    scores = torch.einsum("ihd,jhd->hij", q, k) / q.shape[-1] ** 0.5
    return torch.einsum("hij,jhd->ihd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v)


def with_gradients(output: Tensor, inputs: list[Tensor], upstream: Tensor) -> list[Tensor]:
    return [output, *torch.autograd.grad(output, inputs, upstream)]


def check(lengths: list[int], window: int | None) -> None:
    generator = torch.Generator().manual_seed(sum(lengths))
    shape = (sum(lengths), 2, 4)
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    upstream = torch.randn(shape, generator=generator, dtype=torch.float64)
    ours = with_gradients(Slabs().attend(*inputs, planned(lengths, window)), inputs, upstream)
    reference = with_gradients(dense(*inputs, lengths, window), inputs, upstream)
    for mine, theirs in zip(ours, reference, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=1e-10)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.one_of(st.integers(1, 12), st.integers(1, 400)), min_size=1, max_size=8),
    window=st.one_of(st.none(), st.integers(0, 140)),
)
def test_outputs_and_gradients_equal_dense_attention(lengths: list[int], window: int | None) -> None:
    check(lengths, window)


@pytest.mark.parametrize("window", [None, 2, 16, 128])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_pieces_around_the_sizes_at_which_they_are_cut(window: int | None, offset: int) -> None:
    whole = QUERIES_PER_SLAB + (window or 0)
    check([1, whole + offset, 1, 2 * QUERIES_PER_SLAB + offset, 2], window)


def test_a_token_at_half_the_window_is_seen_and_one_further_is_not() -> None:
    length, window, query = 300, 16, 140
    q = torch.randn(length, 1, 4, dtype=torch.float64)
    v = torch.randn(length, 1, 4, dtype=torch.float64, requires_grad=True)
    Slabs().attend(q, q, v, planned([length], window))[query].sum().backward()
    assert v.grad is not None
    assert v.grad[:, 0, 0].nonzero().flatten().tolist() == list(range(query - 8, query + 9))


def test_a_piece_alone_gives_what_it_gives_in_a_pack() -> None:
    lengths = [40, 1, 260, 33, 5]
    q, k, v = torch.randn(3, sum(lengths), 2, 8).unbind()
    packed = Slabs().attend(q, k, v, planned(lengths, 128))
    for start, length in zip(accumulate(lengths, initial=0), lengths, strict=False):
        alone = Slabs().attend(*(x[start : start + length] for x in (q, k, v)), planned([length], 128))
        torch.testing.assert_close(packed[start : start + length], alone, atol=1e-6, rtol=1e-5)


def test_similar_pieces_share_a_group_and_a_long_one_has_no_mask() -> None:
    plan = planned([20, 4000, 21, 22], None)
    assert [(group.slabs, group.mask is None) for group in plan.groups] == [(1, True), (3, False)]
