"""What an attention backend is: it plans for the pieces of a batch, and attends to them.

A plan depends on `cu_seqlens` and the window alone. It is made once a batch, by the thread that reads ahead, in the
memory of the host; then its tensors are moved, all at once, to where queries, keys and values are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Integers = NDArray[np.int64]
Move = Callable[[Tensor], Tensor]


class Plan(Protocol):
    """How a packed batch is attended to by the layers of one kind."""

    def moved(self, move: Move) -> Self:
        """Return the same with each of its tensors replaced by what `move` makes of it."""


P = TypeVar("P", bound=Plan)


class Backend(ABC, Generic[P]):
    """One way to attend inside the pieces of packed rows, whole or in a window."""

    name: str

    @abstractmethod
    def why_not(self, device: torch.device, head_dimension: int) -> str | None:
        """Return why it cannot be used on a device, in words that end a sentence; None where it may be tried."""

    @abstractmethod
    def plan(self, boundaries: Integers, window: int | None) -> P:
        """Plan attention for pieces `boundaries[i]:boundaries[i + 1]`, on the CPU.

        Args:
            boundaries: int64[P + 1], from 0 to N, rising.
            window: a query sees keys at most `window // 2` positions away (inclusive, as in transformers); None sees
                the whole piece.
        """

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: P) -> Tensor:
        """Scaled dot-product attention of a packed batch.

        Args:
            q: queries, float[N, H, D] (tokens, heads, head dimension), RoPE applied.
            k: keys, float[N, H, D], RoPE applied.
            v: values, float[N, H, D].
            plan: made for this batch's cu_seqlens, its tensors on the device of `q`.

        Returns:
            float[N, H, D] in the dtype of `q`.
        """


AnyBackend = Backend[Any]


def checked(cu_seqlens: Any) -> Integers:
    """Return boundaries as int64[P + 1].

    Raises:
        ValueError: they do not begin at 0, or do not rise.
    """
    boundaries = np.asarray(cu_seqlens, dtype=np.int64)
    if len(boundaries) < 2 or boundaries[0] != 0 or (np.diff(boundaries) < 1).any():
        raise ValueError("cu_seqlens must begin at 0 and rise: every piece has at least one token")
    return boundaries
