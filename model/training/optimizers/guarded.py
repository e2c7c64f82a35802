"""Optimizers that ask before they update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Guarded(torch.optim.Optimizer):
    """Leaves weights and state as they are where it is told to.

    DeepSpeed computes the gradient's norm, then has each group updated in turn, and copies the weights. What it calls
    for a group is `step`, which declines for all groups or for none.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what the optimizer takes that this is mixed into."""
        super().__init__(*arguments, **options)
        self.permitted: Callable[[], bool] = lambda: True
        """Whether to update; the same for all groups of a step, and on all ranks."""

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the groups, if that is permitted."""
        if self.permitted():
            self.update()

    def update(self) -> None:
        """Update the groups by their gradients."""
        raise NotImplementedError


class AdamW(Guarded, torch.optim.AdamW):
    """torch's own, which takes each element by itself, so that partitions make no difference to it."""

    def update(self) -> None:
        """Update the groups by their gradients."""
        torch.optim.AdamW.step(self)
