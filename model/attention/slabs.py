"""Exact attention inside the pieces of packed rows, whole or in a window, on any device that torch runs on.

A batch is flat: `N` tokens of many pieces one after another, `cu_seqlens` their boundaries. No token sees another
piece, and in a windowed layer none further away than half the window. Both are reached without an N x N mask:

1. each piece is cut into *slabs*: some of its queries and the keys they can see. A piece is one slab where a layer sees
   the whole of it or the piece is short; otherwise 128 queries at a time with the window's margin of keys to each side.
2. slabs of similar size are padded to one *group*, a dense batch for `scaled_dot_product_attention`. Long pieces meet
   few of their size and stay alone, without padding or mask; short ones share a call, which is what makes rows of many
   short pieces fast.

All groups' queries are gathered at once, and so are keys and values: the gradient of each gather is as large as the
batch, so that one for each group would cost more than the attention itself. benchmarks/attention.py compares.

The only state is the `SlabPlan`: index tensors that depend on `cu_seqlens` alone, made once per batch for all layers
of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.attention.interface import Backend, Integers, Move

QUERIES_PER_SLAB = 128
"""Queries of a windowed slab of a long piece."""
SPARE_TOKENS = 4
"""A slab joins a group whose queries and keys are more by at most this and a sixteenth of its keys. No padding at all
and twice as much are both a few percent slower on a CPU (docs/performance.md)."""

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """Slabs padded to the same number of queries and keys. S slabs, Q queries, K keys."""

    slabs: int
    queries: int
    """S * Q."""
    keys: int
    """S * K."""
    mask: Tensor | None
    """bool[S, 1, Q or 1, K], True where a query sees a key; none where every query sees every key."""


@dataclass(frozen=True)
class SlabPlan:
    """How a packed batch is attended to by the layers of one kind."""

    groups: list[Group]
    queries: Tensor
    """int64[sum of S * Q], which token each query of the groups is; padding repeats a slab's last."""
    keys: Tensor
    """int64[sum of S * K], likewise."""
    order: Tensor
    """int64[N], where in the groups' concatenated outputs each token's is."""

    def moved(self, move: Move) -> SlabPlan:
        """Return the same with each tensor replaced by what `move` makes of it."""
        groups = [group if group.mask is None else replace(group, mask=move(group.mask)) for group in self.groups]
        return SlabPlan(groups, move(self.queries), move(self.keys), move(self.order))


class Slabs(Backend[SlabPlan]):
    """A few dense calls of torch's own attention: for CPUs, and where a GPU has nothing better."""

    name = "slabs"

    def why_not(self, device: torch.device, head_dimension: int) -> None:
        """Return None: it runs on every device."""

    def plan(self, boundaries: Integers, window: int | None) -> SlabPlan:
        """Plan as every backend does."""
        reach = None if window is None else window // 2
        slabs = _slabs(boundaries, reach)
        groups, queries, keys, real = [], [], [], []
        for members in _groups(slabs):
            group_queries, real_queries = _padded_ranges(slabs[members, 0], slabs[members, 1])
            group_keys, real_keys = _padded_ranges(slabs[members, 2], slabs[members, 3])
            mask = _mask(group_queries, group_keys, real_keys, reach)
            seen = None if mask is None else torch.from_numpy(mask)
            groups.append(Group(len(members), group_queries.size, group_keys.size, seen))
            queries.append(group_queries.ravel())
            keys.append(group_keys.ravel())
            real.append(real_queries.ravel())
        places = np.flatnonzero(np.concatenate(real))
        order = np.empty(boundaries[-1], dtype=np.int64)
        order[np.concatenate(queries)[places]] = places
        indices = (np.concatenate(queries), np.concatenate(keys), order)
        return SlabPlan(groups, *(torch.from_numpy(index) for index in indices))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: SlabPlan) -> Tensor:
        """Attend as every backend does."""
        heads, dimension = q.shape[1:]
        key_counts = [group.keys for group in plan.groups]
        queries = torch.split(q.flatten(1).index_select(0, plan.queries), [group.queries for group in plan.groups])
        keys, values = (torch.split(x.flatten(1).index_select(0, plan.keys), key_counts) for x in (k, v))
        outputs = []
        for group, *parts in zip(plan.groups, queries, keys, values, strict=True):
            dense_q, dense_k, dense_v = (part.view(group.slabs, -1, heads, dimension).transpose(1, 2) for part in parts)
            attended = F.scaled_dot_product_attention(dense_q, dense_k, dense_v, attn_mask=group.mask)
            outputs.append(attended.transpose(1, 2).reshape(-1, heads * dimension))
        return torch.cat(outputs).index_select(0, plan.order).view_as(q)


def _slabs(boundaries: Integers, reach: int | None) -> Integers:
    """Cut pieces into slabs, int64[S, 4]: first query, number of queries, first key, number of keys."""
    starts, ends = boundaries[:-1], boundaries[1:]
    lengths = ends - starts
    if reach is None:
        return np.stack((starts, lengths, starts, lengths), axis=1)
    # A piece no longer than the keys that one slab of it would have gains nothing by being cut.
    size = np.where(lengths > QUERIES_PER_SLAB + 2 * reach, QUERIES_PER_SLAB, lengths)
    counts = -(-lengths // size)
    piece = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = starts[piece] + within * size[piece]
    last = np.minimum(first + size[piece], ends[piece])
    first_key = np.maximum(first - reach, starts[piece])
    last_key = np.minimum(last + reach, ends[piece])
    return np.stack((first, last - first, first_key, last_key - first_key), axis=1)


def _groups(slabs: Integers) -> list[Integers]:
    """Indices of the slabs of each group, from the longest to the shortest."""
    ranked = np.lexsort((-slabs[:, 1], -slabs[:, 3]))
    sizes = slabs[ranked][:, [1, 3]].tolist()
    cuts = []
    queries = keys = 0
    for position, (slab_queries, slab_keys) in enumerate(sizes):
        spare = SPARE_TOKENS + slab_keys // 16
        if not (slab_queries <= queries <= slab_queries + spare and keys <= slab_keys + spare):
            cuts.append(position)
            queries, keys = slab_queries, slab_keys
    return np.split(ranked, cuts[1:])


def _mask(queries: Integers, keys: Integers, real_keys: Booleans, reach: int | None) -> Booleans | None:
    """Which keys the queries of a group see, bool[S, 1, Q or 1, K]; None where each sees all."""
    widest = int(np.abs(np.stack((queries[:, 0] - keys[:, -1], queries[:, -1] - keys[:, 0]))).max())
    if reach is not None and widest > reach:
        near: Booleans = np.abs(queries[:, :, None] - keys[:, None, :]) <= reach
        near &= real_keys[:, None, :]
        return near[:, None]
    return None if real_keys.all() else real_keys[:, None, None, :]


def _padded_ranges(first: Integers, count: Integers) -> tuple[Integers, Booleans]:
    """Ranges as rows of one matrix, int64[S, longest], padded with each range's last; and what is no padding."""
    step = np.arange(count.max())
    real = step < count[:, None]
    return first[:, None] + np.minimum(step, count[:, None] - 1), real
