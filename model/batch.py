"""Masked rows as one flat batch, which is how the encoder takes them: in training, evaluation and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from corpus.tokens.special import PAD
from model.attention.interface import Move
from model.attention.layout import Layout
from model.masking import MaskedRow

LayOut = Callable[[NDArray[np.int64]], Layout]
"""Makes the layout of a batch from its cu_seqlens, as `ModernBert.lay_out`."""


@dataclass(frozen=True)
class FlatBatch:
    """Rows one after another; N tokens, P pieces, M masked positions."""

    tokens: Tensor
    """int64[N], masked."""
    layout: Layout
    positions: Tensor
    """int64[M], masked positions in `tokens`, ascending."""
    labels: Tensor
    """int64[M], what stood there."""

    @property
    def cu_seqlens(self) -> Tensor:
        """int32[P + 1], where each piece begins, and N; on the CPU whatever the device of the others."""
        return self.layout.cu_seqlens

    def moved(self, move: Move) -> FlatBatch:
        """Return the same with all tensors but `cu_seqlens` replaced by what `move` makes of them."""
        return FlatBatch(move(self.tokens), self.layout.moved(move), move(self.positions), move(self.labels))

    def to(self, device: torch.device) -> FlatBatch:
        """Return the same with all but `cu_seqlens` on `device`."""
        return self.moved(lambda tensor: tensor.to(device, non_blocking=True))


def flatten(
    rows: Sequence[MaskedRow],
    lengths: Sequence[NDArray[np.integer]],
    lay_out: LayOut,
    slots: int = 0,
    longest: int = 0,
) -> FlatBatch:
    """Put rows one after another.

    Args:
        rows: at least one.
        lengths: for each row, integer[p], the tokens of its pieces; they sum to the tokens of the row.
        lay_out: of the encoder that the batch is for.
        slots: tokens to fill up to, so that batches have one size; padding is in pieces of its own, and nothing of it
            is masked. Nothing is filled up where the rows have as many.
        longest: most tokens of a piece of padding.
    """
    starts = np.cumsum([0, *(len(row.inputs) for row in rows[:-1])])
    inputs = [row.inputs for row in rows]
    sizes = [np.asarray(some, dtype=np.int64) for some in lengths]
    if (padding := slots - sum(map(len, inputs))) > 0:
        inputs.append(np.full(padding, PAD, dtype=np.int64))
        sizes.append(np.diff(np.arange(0, padding, longest), append=padding))
    parts = (
        inputs,
        [row.positions + start for row, start in zip(rows, starts, strict=True)],
        [row.labels for row in rows],
    )
    tokens, positions, labels = (torch.from_numpy(np.concatenate(part)) for part in parts)
    cu_seqlens = np.concatenate(([0], np.cumsum(np.concatenate(sizes))))
    return FlatBatch(tokens, lay_out(cu_seqlens), positions, labels)
