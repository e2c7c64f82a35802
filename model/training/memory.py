"""Too little memory, of the machine or of a GPU: telling it from other errors, and saying what to lower.

Libraries tell it in many ways: torch by an exception of its own for GPUs and by a plain `RuntimeError` for the machine,
numpy by `MemoryError`, the system by an `OSError`. That the kernel killed a rank is told by `slurm.node.worker`.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

import torch

OUT_OF_MEMORY = os.EX_OSERR
"""Exit status where there is too little memory; the launcher does not try again."""
_WORDS = re.compile(r"out of memory|can(?:no|')t allocate memory|bad_alloc|_STATUS_ALLOC_FAILED", re.IGNORECASE)
"""How torch and the libraries below it say so in a `RuntimeError`."""
_GPU = re.compile("CUDA|HIP|CUBLAS|HIPBLAS|NCCL")
_WANTED = re.compile(r"(?:tried|[Uu]nable) to allocate ([\d.]+) ([KMGT]iB|bytes)", re.IGNORECASE)
"""How torch and numpy say how much they asked for."""


@dataclass(frozen=True)
class MicroBatches:
    """What a rank computes at once."""

    slots: int
    """The profile's micro_batch_slots, or what stands for its `auto`."""
    length: int
    """Of the stage's rows."""
    stage: str
    """The stage's key in the recipe."""
    recomputed: bool = False
    """Whether the profile's activation_checkpointing is on."""
    automatic: bool = False
    """Whether the profile says `auto`."""


def too_little_memory(error: BaseException) -> bool:
    """Tell whether an error says that there was too little memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or (isinstance(error, RuntimeError) and bool(_WORDS.search(str(error))))


def what_to_lower(error: BaseException, trained: MicroBatches | None, on_gpu: bool) -> str:
    """Return a sentence or two for a person: what was short of memory, and which key of recipe or profile to lower.

    Args:
        error: one that says that there was too little memory.
        trained: what was computed when it was raised; None before the first step, when no micro-batch is at fault.
        on_gpu: whether the rank trains on a GPU.
    """
    ranks_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # they share the machine's memory
    of_gpu = on_gpu and (isinstance(error, torch.OutOfMemoryError) or bool(_GPU.search(str(error))))
    found = _WANTED.search(str(error))
    short = f"{'this GPU' if of_gpu else 'this machine'} has too little memory"
    short += f" ({_readable(found[1], found[2])} more were asked for)" if found else ""
    room = "take a GPU with more memory" if of_gpu else "give it more memory (memory_gib in the profile, on a cluster)"
    if not of_gpu and ranks_here > 1:
        room += f" or fewer ranks (processes_per_node in the profile, now {ranks_here})"
    again = "" if trained is None or trained.recomputed else "set activation_checkpointing to 1 in the profile, "
    smaller = "take a smaller model in the recipe (layers, hidden, intermediate, the tokenizer's vocabulary)"
    if trained is None:
        return f"{short} for weights, gradients and moments, before the first step; {smaller}, or {room}."
    if on_gpu and not of_gpu:  # micro-batches lie on the GPU
        return f"{short}; {room}. The same command then continues."
    rows = max(1, trained.slots // trained.length)
    told = f"{short} to train {rows} row{'s' if rows > 1 else ''} of {trained.length} slots at once"
    now = f"auto, which is {trained.slots}" if trained.automatic else f"{trained.slots}"
    setting = f"micro_batch_slots in the profile (now {now})"
    if rows > 1:
        lower = f"lower {setting}, which changes no result; {trained.length} is one row"
        return f"{told}: {lower}. Or {room}. The same command then continues."
    least = f"{setting} cannot make it less than one row, so lower {trained.stage}.length in the recipe"
    return f"{told}: {again}{least} (now {trained.length}), {smaller}, or {room}."


def _readable(number: str, unit: str) -> str:
    size = float(number)
    if unit != "bytes":
        return f"{number} {unit}"
    return f"{size / 2**30:.3g} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"
