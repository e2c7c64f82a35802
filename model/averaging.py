"""A model as the mean of checkpoints: of their weights, parameter by parameter.

Checkpoints of one way that lie near its end lie around one minimum, and their mean nearer to it: what a decaying rate
does over many steps, for the price of a few checkpoints (arXiv 1803.05407; at a constant rate arXiv 2405.18392).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError
from model.history.averaged import kept_at, not_kept
from model.history.store import complete_checkpoints, damage, open_checkpoint
from model.training.checkpoint import load_weights


def checkpoints_at(pointer: Path, at_tokens: Sequence[int]) -> list[Path]:
    """Return the checkpoints of a phase that first reach each of some numbers of its slots, verified.

    Args:
        pointer: the phase's checkpoint.json.
        at_tokens: slots of the phase, rising; the last is its end.

    Raises:
        UserError: one is damaged, or was not kept.
    """
    last = open_checkpoint(pointer)
    directories = [one for one in complete_checkpoints(last.parent) if one.name <= last.name]
    kept = kept_at(directories, at_tokens)
    if missing := [tokens for tokens, one in zip(at_tokens, kept, strict=True) if one is None]:
        raise UserError(not_kept(pointer.parent, missing))
    found = [one for one in kept if one]
    for directory in found:
        if directory != last and (problem := damage(directory)):
            raise UserError(f"{problem}. Ask for fewer checkpoints to be averaged, or move {pointer.parent} away.")
    return found


def mean_weights(directories: Sequence[Path]) -> dict[str, Tensor]:
    """Return the float32 mean of the weights of checkpoints of one shape, summed in float64 in their order."""
    sums: dict[str, Tensor] = {}
    for directory in directories:
        for name, weight in load_weights(directory).items():
            sums[name] = sums[name] + weight if name in sums else weight.to(torch.float64)
    return {name: (total / len(directories)).to(torch.float32) for name, total in sums.items()}
