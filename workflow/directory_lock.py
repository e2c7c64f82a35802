"""One Snakemake at a time in a working directory, without locks that outlive it.

Snakemake's own lock is a file that a killed Snakemake leaves behind and somebody has to remove. With `nolock: true` in
the profile and `hold` in the Snakefile's `onstart:`, the kernel keeps the lock for as long as Snakemake lives.
"""

from __future__ import annotations

from pathlib import Path

from common.errors import UserError
from common.locks import Lock, holder_of, is_held, try_lock

_held: dict[Path, Lock] = {}


def hold(directory: Path) -> None:
    """Lock `directory` until the calling process ends; holding it twice is holding it once.

    Raises `UserError` naming the process that holds it.
    """
    path = directory.resolve() / ".alasin.lock"
    if path in _held:
        return
    lock = try_lock(path)
    if lock is None:
        raise UserError(
            f"another snakemake ({holder_of(path)}) is working in {directory}; wait for it, or end it, then run again"
        )
    _held[path] = lock


def holder_elsewhere(directory: Path) -> str | None:
    """Say which other process holds `directory`; None if it is free or this process's own."""
    path = directory.resolve() / ".alasin.lock"
    return holder_of(path) if path not in _held and is_held(path) else None
