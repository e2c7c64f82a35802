"""Locks that end with their holder.

A lock is `flock` on a file that says who holds it. The kernel releases it when the holder ends, however it ends, so
that a killed process leaves no stale lock behind. The file itself stays; only the flock counts.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

_TRIES, _PAUSE = 20, 0.01
"""An onlooker (`is_held`) has the lock for an instant, a holder for longer than all tries and pauses, in seconds."""


class Lock:
    """A held lock. It lasts until `release` or the end of this process; children do not inherit it."""

    def __init__(self, descriptor: int) -> None:
        """Keep the open file that carries the flock."""
        self._descriptor = descriptor

    def release(self) -> None:
        """Forget the holder and let others in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def try_lock(path: Path) -> Lock | None:
    """Lock `path`, writing pid, host and time into it, or return None where another process (or this one) holds it.

    Raises `OSError` where the file cannot be made or its file system has no flock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not left:
                os.close(descriptor)
                return None
            time.sleep(_PAUSE)
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(holder).encode())
    return Lock(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether a process holds a lock, without writing to it: the onlooker may be a colleague who must not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without flock
        return False
    finally:
        os.close(descriptor)
    return False


def holder_of(path: Path) -> str:
    """Say who holds the lock: "pid 12 on host since 2026-01-31T12:00:00+00:00"; "another process" if it is unknown."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def now() -> str:
    """Return the present time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
