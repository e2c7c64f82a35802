"""One owner of a phase on any node of a cluster, without trusting the file system's locks across nodes.

`RUNNING.{n}` is a lease. Its owner renews it, by touching it, every few seconds; it ends when the owner writes that it
did, when its process is gone (which another process of the same host can see), or when nobody has renewed it for a
while by the watch of whoever wants it: no clocks of two machines are compared.

Who finds that lease n has ended makes lease n + 1, which the file system lets only one of them do. The highest number
is the owner. So a lease is never taken from somebody who renewed it a moment ago, and an owner who was away (a node
that hung, a process that was stopped) learns that it was succeeded.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.files import write_json
from common.locks import now
from common.processes import start_ticks

RENEW_SECONDS = 5.0
LAPSE_SECONDS = 30.0
"""A lease that nobody has renewed for so long has ended."""
_PATIENCE = LAPSE_SECONDS + 3 * RENEW_SECONDS
_PATIENCE_HERE = 3.0
"""Seconds for the ranks of a job killed just now on this host to be quite gone."""


class HeldElsewhereError(Exception):
    """Somebody else owns it; the argument says who."""


@dataclass(frozen=True)
class _Claim:
    number: int
    owner: dict[str, Any]
    renewed: int

    def __str__(self) -> str:
        job = f"job {self.owner['job']}, " if self.owner.get("job") else ""
        return f"{job}pid {self.owner.get('pid')} on {self.owner.get('host')} since {self.owner.get('since')}"

    def lives(self) -> bool | None:
        """Tell whether the owner goes on: it said that it ended, or is a process of this host; else None, unknown."""
        if self.owner.get("ended"):
            return False
        if self.owner.get("host") == socket.gethostname():
            return bool(start_ticks(int(self.owner["pid"])) == self.owner["start_ticks"])
        return None


class Lease:
    """A lease that this process owns, renewed by a thread until `release` or the end of the process."""

    def __init__(self, folder: Path, number: int, owner: dict[str, Any]) -> None:
        """Begin to renew `RUNNING.{number}`, which this process has just made."""
        self._folder, self._number, self._owner = folder, number, owner
        self.lost = False
        """Whether somebody else has succeeded this owner; what it started must end."""
        self._released = threading.Event()
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        while not self._released.wait(RENEW_SECONDS):
            # A file system that does not answer for a while is no loss: whoever succeeds us will have made a file.
            with suppress(OSError):
                if _numbers(self._folder)[-1:] != [self._number]:
                    self.lost = True
                    return
                os.utime(_path(self._folder, self._number))

    def release(self) -> None:
        """Say that the owner has ended."""
        self._released.set()
        if not self.lost:
            write_json(_path(self._folder, self._number), {**self._owner, "ended": True})


def acquire(folder: Path, job: str = "", patience: float = 0.0) -> Lease:
    """Become the owner of `folder`, waiting for a lease to lapse where nobody can know whether its owner lives.

    `job` is told to others who ask. Raises `HeldElsewhereError` if the lease is still being renewed after `patience`
    seconds, or after as many as it takes to know.
    """
    owner = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "host": socket.gethostname(), "job": job}
    watched: _Claim | None = None
    since = began = time.monotonic()
    while True:
        claim = _newest(folder)
        if watched is None or claim is None or (claim.number, claim.renewed) != (watched.number, watched.renewed):
            watched, since = claim, time.monotonic()
        lives = claim.lives() if claim else False
        if lives is False or (lives is None and time.monotonic() - since > LAPSE_SECONDS):
            lease = _claim(folder, (claim.number if claim else 0) + 1, owner)
            if lease:
                return lease
        elif time.monotonic() - began > max(patience, _PATIENCE_HERE if lives else _PATIENCE):
            raise HeldElsewhereError(str(claim))
        time.sleep(0.1)


def holder(folder: Path, watch_seconds: float = 2 * RENEW_SECONDS + 1) -> str | None:
    """Say who owns `folder`, or None if nobody renews it within `watch_seconds`."""
    first = _newest(folder)
    deadline = time.monotonic() + watch_seconds
    while first is not None and first.lives() is not False and time.monotonic() < deadline:
        claim = _newest(folder)
        if claim and (first.lives() or (claim.number, claim.renewed) != (first.number, first.renewed)):
            return str(claim)
        time.sleep(0.1)
    return None


def _path(folder: Path, number: int) -> Path:
    return folder / f"RUNNING.{number}"


def _numbers(folder: Path) -> list[int]:
    suffixes = (path.name.removeprefix("RUNNING.") for path in folder.glob("RUNNING.*"))
    return sorted(int(suffix) for suffix in suffixes if suffix.isdecimal())


def _newest(folder: Path) -> _Claim | None:
    while numbers := _numbers(folder):
        path = _path(folder, numbers[-1])
        with suppress(FileNotFoundError):  # its successor may remove it while we look
            renewed = path.stat().st_mtime_ns
            return _Claim(numbers[-1], _owner(path.read_text(encoding="utf-8")), renewed)
    return None


def _owner(text: str) -> dict[str, Any]:
    """Return who wrote a lease; nobody known if the machine went down while it was written."""
    with suppress(json.JSONDecodeError):
        owner = json.loads(text)
        if isinstance(owner, dict):
            return owner
    return {}


def _claim(folder: Path, number: int, owner: dict[str, Any]) -> Lease | None:
    """Make lease `number` unless somebody else does so first; remove those before it."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = {**owner, "since": now()}
    staged = folder / f".RUNNING.{number}.{socket.gethostname()}.{threading.get_native_id()}"
    staged.write_text(json.dumps(owner), encoding="utf-8")
    try:
        os.link(staged, _path(folder, number))
    except FileExistsError:
        return None
    finally:
        staged.unlink()
    if _numbers(folder)[-1] != number:  # whoever took this number went further while we slept
        _path(folder, number).unlink(missing_ok=True)
        return None
    for old in _numbers(folder)[:-1]:
        _path(folder, old).unlink(missing_ok=True)
    return Lease(folder, number, owner)
