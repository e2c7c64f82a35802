"""Masked rows as one flat batch, which is how the encoder takes them: in training, evaluation and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.masking import MaskedRow


@dataclass(frozen=True)
class FlatBatch:
    """Rows one after another without padding; N tokens, P pieces, M masked positions."""

    tokens: Tensor
    """int64[N], masked."""
    cu_seqlens: Tensor
    """int32[P + 1], where each piece begins, and N; on the CPU whatever the device of the others."""
    positions: Tensor
    """int64[M], masked positions in `tokens`, ascending."""
    labels: Tensor
    """int64[M], what stood there."""

    def to(self, device: torch.device) -> FlatBatch:
        """Return the same with all but `cu_seqlens` on `device`."""
        tokens, positions, labels = (
            tensor.to(device, non_blocking=True) for tensor in (self.tokens, self.positions, self.labels)
        )
        return FlatBatch(tokens, self.cu_seqlens, positions, labels)


def flatten(rows: Sequence[MaskedRow], lengths: Sequence[NDArray[np.integer]]) -> FlatBatch:
    """Put rows one after another.

    Args:
        rows: at least one.
        lengths: for each row, integer[p], the tokens of its pieces; they sum to the tokens of the row.
    """
    starts = np.cumsum([0, *(len(row.inputs) for row in rows[:-1])])
    parts = (
        [row.inputs for row in rows],
        [row.positions + start for row, start in zip(rows, starts, strict=True)],
        [row.labels for row in rows],
    )
    tokens, positions, labels = (torch.from_numpy(np.concatenate(part)) for part in parts)
    cu_seqlens = np.concatenate(([0], np.cumsum(np.concatenate(lengths), dtype=np.int64))).astype(np.int32)
    return FlatBatch(tokens, torch.from_numpy(cu_seqlens), positions, labels)
