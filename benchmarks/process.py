"""Runs commands as whole processes, and tells what each took, all its descendants together.

Processor time is what the kernel charges to waited-for children. A forkserver, say, is no one's to wait for; so this
process becomes the reaper of every orphan below it (PR_SET_CHILD_SUBREAPER, prctl(2)), waits for those too, and ends
the ones that stay. Memory is the sum over all processes of what the kernel cannot drop, anonymous and shared memory,
each shared page counted once (`Pss_Anon` and `Pss_Shmem` in /proc/PID/smaps_rollup, proc_pid_smaps(5)), looked at some
ten times a second: mapped files and the code of libraries are not in it. Wall time ends when the disk has what was
written (`sync`). Linux only.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.errors import UserError

_PR_SET_CHILD_SUBREAPER = 36
_LOOK_SECONDS = 0.1
_COUNTED = re.compile(rb"^Pss_(?:Anon|Shmem): +(\d+) kB", re.MULTILINE)
_TAIL = 2_000
"""Characters of the output that an error shows."""


@dataclass(frozen=True)
class Cost:
    """What some commands took."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds, user and system, of all processes."""
    memory: int
    """Bytes, the most that were held at once."""


def together(costs: Sequence[Cost]) -> Cost:
    """Return what stages took that ran one after the other."""
    return Cost(sum(c.wall for c in costs), sum(c.processor for c in costs), max(c.memory for c in costs))


def run(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Run commands one after the other; return what they took together, and the last line that they printed.

    Raises:
        UserError: a command failed; it shows the end of its output.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.sync()
    watch = _MemoryWatch()
    before, begin = _charged(), time.perf_counter()
    printed = ""
    with watch, tempfile.TemporaryFile() as output:
        for command in commands:
            code = subprocess.run(
                command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT, check=False
            ).returncode
            _end_orphans()
            output.seek(0)
            printed = output.read().decode(errors="replace")
            if code:
                raise UserError(f"{' '.join(command)} failed ({code}): {printed[-_TAIL:]}")
        os.sync()
        wall = time.perf_counter() - begin
    lines = printed.strip().splitlines()
    return Cost(wall, _charged() - before, watch.most), lines[-1] if lines else ""


def directory_bytes(directory: Path) -> int:
    """Return the bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


class _MemoryWatch:
    """Looks at the memory of all descendants until the block ends; `most` is the largest sum."""

    def __init__(self) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        own = psutil.Process()
        while not self._ended.wait(_LOOK_SECONDS):
            self.most = max(self.most, sum(_held(child.pid) for child in own.children(recursive=True)))


def _held(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:  # ended meanwhile
        return 0
    return sum(1024 * int(kilobytes) for kilobytes in _COUNTED.findall(rollup))


def _end_orphans() -> None:
    """Wait for what a command left behind, a second at most, then end it."""
    left = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(left, timeout=1)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive)


def _charged() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
