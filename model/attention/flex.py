"""Attention by FlexAttention (arXiv 2412.05496): a kernel that torch compiles for a mask that is told in two ways.

1. Queries and keys are cut into blocks of 128 tokens. Of the N / 128 x N / 128 pairs of blocks only those are computed
   in which some query sees some key: `seen` for all of whose pairs of tokens the mask must be asked, `whole` in which
   every query sees every key.
2. Inside the former, a token sees another of the same piece that is near enough.

torch's own way to find the blocks looks at all N x N pairs of tokens. Here pieces lie one after another, so that the
keys of a block are a range, found from its first and last token: some microseconds, on the CPU, ahead of time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.attention.interface import Backend, Integers, Move

BLOCK = 128
SMALLEST_HEAD = 16
"""Below, the kernel's matrix products do not compile."""


@dataclass(frozen=True)
class FlexPlan:
    """Blocks of B = ceil(N / 128) that see one another."""

    seen: Tensor
    """int32[1, 1, B, B], for each block of queries the blocks of keys of which it sees some; then the rest."""
    seen_count: Tensor
    """int32[1, 1, B]."""
    whole: Tensor
    """int32[1, 1, B, B], likewise those of which all is seen by all."""
    whole_count: Tensor
    """int32[1, 1, B]."""
    piece: Tensor
    """int32[128 B], the number of each token's piece; what is beyond N is a piece of its own."""
    tokens: int
    """N."""
    reach: int
    """How far a token sees."""

    def moved(self, move: Move) -> FlexPlan:
        """Return the same with each tensor replaced by what `move` makes of it."""
        seen, whole = (move(self.seen), move(self.seen_count)), (move(self.whole), move(self.whole_count))
        return FlexPlan(*seen, *whole, move(self.piece), self.tokens, self.reach)


class Flex(Backend[FlexPlan]):
    """`torch.nn.attention.flex_attention`, compiled."""

    name = "FlexAttention"

    def why_not(self, device: torch.device, head_dimension: int) -> str | None:
        """Return why it cannot be used on a device."""
        if device.type != "cuda":
            return "it has no gradients on a CPU"
        if head_dimension < SMALLEST_HEAD or head_dimension & (head_dimension - 1):
            return f"heads of {head_dimension} are no power of two from {SMALLEST_HEAD} on"
        return None

    def plan(self, boundaries: Integers, window: int | None) -> FlexPlan:
        """Plan as every backend does."""
        tokens = int(boundaries[-1])
        blocks = -(-tokens // BLOCK)
        piece = np.full(blocks * BLOCK, len(boundaries) - 1, dtype=np.int32)
        piece[:tokens] = np.repeat(np.arange(len(boundaries) - 1), np.diff(boundaries))
        reach = tokens if window is None else window // 2
        first = np.arange(blocks) * BLOCK
        last = np.minimum(first + BLOCK, tokens) - 1
        from_key = np.maximum(boundaries[piece[first]], first - reach) // BLOCK
        to_key = np.minimum(boundaries[piece[last] + 1] - 1, last + reach) // BLOCK
        block = np.arange(blocks)
        ranged = (block >= from_key[:, None]) & (block <= to_key[:, None])
        # All see all where both blocks lie in one piece, and their ends, the furthest apart, are near enough.
        alone = (piece[first] == piece[last]) & (first + BLOCK <= tokens)
        same = (piece[first][:, None] == piece[first]) & alone[:, None] & alone
        furthest = np.maximum(last[:, None] - first, last - first[:, None])
        full = ranged & same & (furthest <= reach)
        return FlexPlan(*_ranked(ranged & ~full), *_ranked(full), torch.from_numpy(piece), tokens, reach)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: FlexPlan) -> Tensor:
        """Attend as every backend does."""
        padding = len(plan.piece) - plan.tokens
        batched = (F.pad(x, (0, 0, 0, 0, 0, padding)).transpose(0, 1)[None] for x in (q, k, v))
        attended: Tensor = _compiled()(*batched, block_mask=block_mask(plan))
        return attended[0].transpose(0, 1)[: plan.tokens]


def block_mask(plan: FlexPlan) -> Any:
    """Return torch's own `BlockMask` of a plan, on the device of its tensors."""
    from torch.nn.attention.flex_attention import BlockMask

    piece, reach = plan.piece, plan.reach

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (piece[query] == piece[key]) & ((query - key).abs() <= reach)

    return BlockMask.from_kv_blocks(
        plan.seen_count, plan.seen, plan.whole_count, plan.whole, BLOCK_SIZE=BLOCK, mask_mod=sees
    )


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., Any] = torch.compile(flex_attention)
    return compiled


def _ranked(chosen: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """bool[B, B] to the chosen columns of each row, first and in order, int32[1, 1, B, B]; and how many they are."""
    order = np.argsort(~chosen, axis=1, kind="stable").astype(np.int32)
    count = chosen.sum(axis=1).astype(np.int32)
    return torch.from_numpy(order)[None, None], torch.from_numpy(count)[None, None]
