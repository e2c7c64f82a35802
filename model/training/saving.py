"""Checkpoints beside training: a copy in the host's memory, then a thread of each rank that writes it.

Training waits for the copy alone. Each rank copies what only it has, its part of Adam's moments, and its share of the
weights, which all ranks have: all copies together are one checkpoint. The memory for it is taken once, when training
begins, page-locked where there is a GPU. Threads use files only (`model.training.checkpoint`): two threads of a process
that both talk to other ranks could wait for each other.

One checkpoint is written at a time. An error of the thread is raised in the training of the same rank, at its next
step; the other ranks are ended by the launcher, as after any other error.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from common.errors import NO_SPACE, UserError
from model.history.store import directory_of, remove_old, staged_name
from model.training.checkpoint import Tensors, complete, write_shard

KEPT_CHECKPOINTS = 2
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
"""The system's numbers for a place that nobody may write to."""


class HostCopy:
    """Memory of the host for tensors whose names and shapes stay the same, taken once."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take it for fp32 tensors of these names and shapes; they are contiguous and all on one device."""
        self._gpu = any(tensor.is_cuda for tensor in tensors.values())
        size = sum(tensor.numel() for tensor in tensors.values())
        # Filled, for the system gives memory when it is first written to, which would lengthen the first copy.
        whole = torch.empty(size, dtype=torch.float32, pin_memory=self._gpu).fill_(0.0)
        parts = whole.split_with_sizes([tensor.numel() for tensor in tensors.values()])
        named = zip(tensors.items(), parts, strict=True)
        self.tensors: Tensors = {name: part.view(tensor.shape) for (name, tensor), part in named}

    def take(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Copy what the tensors hold now; when this returns they may change."""
        for name, tensor in tensors.items():
            if self._gpu:
                self.tensors[name].copy_(tensor, non_blocking=True)
            else:  # by one thread: torch's would meet after each tensor, and wait for a core that another process has
                np.copyto(self.tensors[name].numpy(), tensor.numpy())
        if self._gpu:
            torch.cuda.synchronize()


class Saving:
    """Writes the checkpoints of a phase while its ranks train on. All ranks call each method at the same step."""

    def __init__(self, folder: Path, kept: Container[int], owned: Callable[[], Tensors], device: torch.device) -> None:
        """Take the memory for a copy.

        Args:
            folder: where the checkpoints of the phase lie.
            kept: steps whose checkpoints stay, besides the newest.
            owned: returns what this rank writes, as `Engine.owned`.
            device: of this rank.
        """
        self._folder, self._kept, self._owned = folder, kept, owned
        self._rank, self._world_size = dist.get_rank(), dist.get_world_size()
        drawn = torch.randint(2**62, (1,), generator=_unseeded()).to(device)
        dist.broadcast(drawn, 0)
        self._attempt = str(int(drawn))
        self._copy = HostCopy(owned())
        self._write: _Write | None = None
        self._seconds = {"save_seconds": 0.0, "write_seconds": 0.0}

    def seconds(self) -> dict[str, float]:
        """Return how long training stood still for the last checkpoint, and how long the last whole one was written."""
        if self._write and self._write.done.is_set():
            self._seconds["write_seconds"] = self._write.seconds
        return dict(self._seconds)

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Copy what this rank owns and begin to write it, with the content of `state.json`, which nobody changes.

        If the checkpoint before it is not in place yet, this waits for it.
        """
        began = time.monotonic()
        self.finish()
        self._copy.take(self._owned())
        directory = directory_of(self._folder, step)
        staged = staged_name(directory, self._attempt)
        ours = partial(write_shard, staged, self._rank, self._world_size, self._copy.tensors)
        acts = [ours, partial(self._complete, staged, directory, state)] if self._rank == 0 else [ours]
        self._write = _Write(acts, staged)
        self._seconds["save_seconds"] = time.monotonic() - began

    def _complete(self, staged: Path, directory: Path, state: Mapping[str, Any]) -> None:
        complete(staged, directory, self._world_size, state)
        remove_old(self._folder, KEPT_CHECKPOINTS, self._kept)

    def check(self) -> None:
        """Raise what went wrong in the thread of this rank, if anything has by now."""
        if self._write:
            self._write.check()

    def finish(self) -> None:
        """Wait until the last checkpoint is in place. Raises what went wrong in the thread of this rank."""
        if not self._write:
            return
        self._write.written.wait()
        self._write.check()
        dist.barrier()  # a rank that has died is noticed here: rank 0's thread would look for its shard for ever
        self._write.done.wait()
        self._write.check()
        dist.barrier()
        self.seconds()
        self._write = None


class _Write:
    """A thread that does some acts; its errors are kept for whoever looks."""

    def __init__(self, acts: Iterable[Callable[[], None]], staged: Path) -> None:
        self._acts, self._staged = acts, staged
        self.written, self.done = threading.Event(), threading.Event()
        """Whether the first act has ended, and whether all have."""
        self._error: Exception | None = None
        self.seconds = 0.0
        # A daemon, for it may wait for a rank that has died, and must not keep this process from ending.
        threading.Thread(target=self._run, name="saving", daemon=True).start()

    def _run(self) -> None:
        began = time.monotonic()
        try:
            for act in self._acts:
                act()
                self.written.set()
            self.seconds = time.monotonic() - began
        except Exception as error:
            self._error = error
        finally:
            self.written.set()
            self.done.set()

    def check(self) -> None:
        """Raise the error of the thread, a full disk or a place that cannot be written to as a sentence."""
        error = self._error
        if not isinstance(error, OSError) or error.errno not in (*NO_SPACE, *REFUSED):
            if error:
                raise error
            return
        advice = "free some space there" if error.errno in NO_SPACE else "see that it may be written to"
        raise UserError(
            f"{error.filename or self._staged} could not be written ({error.strerror}). The checkpoint before it is "
            f"whole; {advice} and run the same command again."
        )


def _unseeded() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator
