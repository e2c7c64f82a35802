"""Where the pieces of a batch lie, and all that an encoder needs to know of it: made once a batch, ahead of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.attention.interface import AnyBackend, Move, Plan, checked


@dataclass(frozen=True)
class Layout:
    """The pieces of a flat batch of N tokens."""

    cu_seqlens: Tensor
    """int32[P + 1], where each piece begins, and N; on the CPU whatever the device of the others."""
    positions: Tensor
    """int64[N], each token's position in its piece."""
    whole: Plan
    """For the layers that attend to the whole piece."""
    windowed: Plan
    """For the others."""

    def moved(self, move: Move) -> Layout:
        """Return the same with all tensors but `cu_seqlens` replaced by what `move` makes of them."""
        return Layout(self.cu_seqlens, move(self.positions), self.whole.moved(move), self.windowed.moved(move))


def lay_out(cu_seqlens: Sequence[int] | NDArray[np.integer] | Tensor, window: int, backend: AnyBackend) -> Layout:
    """Return the layout of pieces `cu_seqlens[i]:cu_seqlens[i + 1]`, on the CPU.

    Args:
        cu_seqlens: P + 1 boundaries on the host, the first 0, the last N.
        window: of the layers that do not attend to the whole piece.
        backend: will attend.

    Raises:
        ValueError: if the boundaries do not begin at 0 or do not rise.
    """
    boundaries = checked(cu_seqlens)
    positions = np.arange(boundaries[-1]) - np.repeat(boundaries[:-1], np.diff(boundaries))
    return Layout(
        torch.from_numpy(boundaries.astype(np.int32)),
        torch.from_numpy(positions),
        backend.plan(boundaries, None),
        backend.plan(boundaries, window),
    )
