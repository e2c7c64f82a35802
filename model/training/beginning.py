"""What a phase begins with, the same on all ranks: rank 0 looks, and tells the others what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from model.history.beginning import Places, begin
from model.history.plan import Plan
from model.history.position import Position
from model.history.store import directory_of, load_state, open_checkpoint, pointed_directory
from model.starts.manifest import refuse_damaged

NOTHING = -1


@dataclass(frozen=True)
class Beginning:
    """Where a phase goes on."""

    checkpoint: Path | None
    """The checkpoint that weights and moments are loaded from; None for fresh weights."""
    position: Position
    """The trainer's own, to be moved on."""
    state: Mapping[str, Any]
    """What that checkpoint says; empty for fresh weights."""
    own: bool
    """Whether it is a step of the phase, and not the end of the one before."""
    start: Path | None = None
    """Manifest of the weights to begin with, where there is no checkpoint and they are not fresh."""


def agree_on_beginning(
    plan: Plan,
    places: Places,
    previous: Path | None,
    start: Path | None,
    facts: Mapping[str, Any],
    device: torch.device,
    say: Callable[[str], None],
) -> Beginning:
    """Let rank 0 put the phase's folder in order, and return what all ranks begin with. All call this together.

    The step is told, not looked up by each: on a network file system two nodes may see another list of checkpoints.

    Args:
        plan: of the phase.
        places: where rank 0 looks.
        previous: the `checkpoint.json` of the phase before, if there is one.
        start: the manifest of a start, if there is one.
        facts: what else the state of a checkpoint of this phase says.
        device: of this rank.
        say: prints a line, on rank 0.

    Raises:
        UserError: the checkpoint of the phase before, or the start, is damaged.
    """
    chosen = torch.full((1,), NOTHING, dtype=torch.int64, device=device)
    if dist.get_rank() == 0:
        step = begin(plan, places, facts, say)
        if step is not None:
            chosen.fill_(step)
        elif previous:
            open_checkpoint(previous)
        elif start:
            refuse_damaged(start)
    dist.broadcast(chosen, 0)  # what is told now has been verified
    if (step := int(chosen)) != NOTHING:
        directory = directory_of(places.folder / "checkpoints", step)
        state = load_state(directory)
        say(f"continuing from {directory}: step {step}")
        return Beginning(directory, Position.read(state["position"]), state, own=True)
    if previous:
        directory = pointed_directory(previous)
        say(f"beginning from {directory}")
        return Beginning(directory, deepcopy(plan.start), load_state(directory), own=False)
    say(f"beginning with {start}" if start else f"beginning with fresh weights, seed {plan.content.seed}")
    return Beginning(None, deepcopy(plan.start), {}, own=False, start=start)
