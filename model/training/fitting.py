"""How many rows a micro-batch holds: as the profile says, or (`auto`) as many as fit, found by computing full rows.

What is tried is what training computes: forward and backward of rows that are full, each one piece, which no batch of
their length exceeds. On a GPU the number of rows is doubled until they do not fit into nine tenths of its memory, and
the limit is narrowed down between. On processors, where too much memory ends in the kernel's killing a process, what a
second row adds to a first says how many have room in what the machine, or its cgroup, has left for each rank. All ranks
take the least that one of them found. The global batch does not depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from model.batch import flatten
from model.masking import MaskedRow
from model.modernbert import ModernBert
from model.training.memory import MicroBatches, too_little_memory
from model.training.step import losses_of
from recipe.slices.types import PhaseSlice

USED = 0.9
"""Share of a GPU's memory that rows are fitted into; the rest is for the reduction, the update, and fragments."""
USED_OF_HOST = 0.7
"""The same of what a machine has left; it is shared with whatever else begins there."""
USEFUL_ON_CPU = 8192
"""Slots beyond which processors compute no faster: a core makes 9.2, 10.0, 9.7 and 8.3 thousand tokens a second in
micro-batches of 512, 2,048, 8,192 and 32,768 slots (4 layers, 128 hidden, rows of 128)."""


class Fitting:
    """What a rank computes at once in the stages of a phase."""

    def __init__(
        self, content: PhaseSlice, slots: int | None, recomputed: bool, device: torch.device, say: Callable[[str], None]
    ) -> None:
        """Begin before the first stage.

        Args:
            content: of the phase.
            slots: of the profile; None: as many as fit.
            recomputed: whether layers are computed again for their gradients.
            device: of this rank.
            say: prints a line, on rank 0.
        """
        self.recomputed = recomputed
        self._content, self._slots, self._device, self._say = content, slots, device, say
        self._found = 1
        """Rows that fit in the present stage, where that is to be found out; while it is, one."""

    def at_once(self, number: int) -> MicroBatches:
        """Return what is computed at once in stage `number`, the present one."""
        length = self._content.stages[number].length
        key = f"phases.{self._content.phase}.stages[{number}]"
        return MicroBatches(self._slots or self._found * length, length, key, self.recomputed, self._slots is None)

    def rows(self, model: ModernBert, number: int) -> int:
        """Return how many rows of stage `number` are computed at once. All ranks call this together."""
        stage = self._content.stages[number]
        if self._slots is not None:
            return max(1, self._slots // stage.length)
        self._found = 1
        most = max(1, -(-stage.batch.tokens // (stage.length * dist.get_world_size())))
        self._found = fitted_rows(model, stage.length, stage.masking_rate, most, self._device)
        self._say(f"micro-batches of {self._found} rows of {stage.length} slots, where a rank has {most} of a batch")
        return self._found


def fitted_rows(model: ModernBert, length: int, masking_rate: float, most: int, device: torch.device) -> int:
    """Return how many rows of `length` slots fit into a micro-batch on every rank. All ranks call this together.

    Args:
        model: with optimizer and moments in memory; its weights and gradients stay as they are.
        length: slots of a row.
        masking_rate: share of the tokens that are predicted.
        most: rows that are of use, at least one.
        device: of the model.
    """

    def attempt(rows: int) -> None:
        _compute(model, rows, length, masking_rate, device)

    if device.type == "cuda":
        found = _on_gpu(attempt, most, device)
    else:
        most = min(most, max(1, USEFUL_ON_CPU // length))
        ranks_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        found = _on_host(attempt, most, int(USED_OF_HOST * memory_left() / ranks_here))
    least = torch.tensor(found, device=device)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return int(least)


def largest(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number of rows up to `most` that fits, 1 if none does: by doubling, then halving what is left.

    `fits` is true up to some number and false beyond.
    """
    low, high = 1, 2
    while high <= most and fits(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _on_gpu(attempt: Callable[[int], None], most: int, device: torch.device) -> int:
    def fits(rows: int) -> bool:
        try:
            attempt(rows)
        except RuntimeError as error:
            if not too_little_memory(error):
                raise
            return False
        finally:
            torch.cuda.empty_cache()
        return True

    torch.cuda.set_per_process_memory_fraction(USED, device)
    try:
        return largest(fits, most)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def _on_host(attempt: Callable[[int], None], most: int, room: int) -> int:
    """Return the rows that fit into `room` bytes besides what the process holds."""
    if most < 3:
        return most
    attempt(1)  # what is made once, such as threads and their memory, is no row's
    one, two = (_peak_bytes(attempt, rows) for rows in (1, 2))
    return max(1, min(most, room // max(1, two - one)))


def _peak_bytes(attempt: Callable[[int], None], rows: int) -> int:
    """Return the most memory that this process holds meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew
    attempt(rows)
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [peak] = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    return int(peak) * 1024


def _compute(model: ModernBert, rows: int, length: int, masking_rate: float, device: torch.device) -> None:
    """Compute loss and gradients of full rows; nothing is left of them."""
    random = np.random.default_rng(0)
    masked = max(1, round(length * masking_rate))
    parts = []
    for _ in range(rows):
        tokens = random.integers(0, model.shape.padded_vocabulary, length)
        positions = np.sort(random.permutation(length)[:masked])
        parts.append(MaskedRow(tokens, positions, tokens[positions]))
    batch = flatten(parts, [np.array([length])] * rows, model.lay_out).to(device)
    total = losses_of(model, batch, torch.ones((), device=device)).total
    torch.autograd.grad(total, list(model.parameters()))  # by no hook of DeepSpeed's, which would reduce them


def memory_left(root: Path = Path("/")) -> int:
    """Return how many bytes processes here may still take: the machine's, or the cgroup's if that is less.

    Files that the kernel could drop from memory count as left. Works for both versions of cgroups.
    """
    known = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
    left = [int(line.split()[1]) * 1024 for line in known if line.startswith("MemAvailable:")]
    for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            left += _left_of(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            left += _left_of(root / "sys/fs/cgroup/memory", path, *names)
    return min(left)


def _left_of(mount: Path, path: str, limit: str, usage: str, droppable: str) -> list[int]:
    """Return what a cgroup and those above it have left, as far as each has a limit and is seen here."""
    found = []
    place = mount / path.strip("/")
    for directory in (place, *place.parents):
        if directory.is_relative_to(mount) and (directory / limit).is_file():
            most = (directory / limit).read_text(encoding="utf-8").strip()
            if most.isdecimal():
                held = int((directory / usage).read_text(encoding="utf-8"))
                told = dict(line.split() for line in (directory / "memory.stat").read_text("utf-8").splitlines())
                found.append(max(0, int(most) - held + int(told.get(droppable, 0))))
    return found
