"""Processes of this machine: who they are, their signals and encoding, children that never outlive their parent."""

from __future__ import annotations

import ctypes
import locale
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Received:
    """Collects signals instead of dying of them: `signals` holds those that came, oldest first."""

    def __init__(self, *watched: signal.Signals) -> None:
        """Take over the handling of `watched`; those that a parent had blocked meanwhile are let through now."""
        self.signals: list[signal.Signals] = []
        self._watched = watched
        for number in watched:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)

    def ignore(self) -> None:
        """From now on let the signals pass without effect, until this process ends."""
        for number in self._watched:
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(signal.Signals(number))


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None if no such process lives.

    Pid and start together name a process for good, where a pid alone is used again. A zombie does not live.
    Field 22 of /proc/PID/stat (proc_pid_stat(5)); the second field, the name, may hold spaces and parentheses.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def spawn_bound(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that the kernel kills (SIGKILL) when this process's main thread ends, even by SIGKILL.

    Its standard input is empty; None for an output means this process's own. Call it from the main thread. Raises
    `OSError` where the program cannot be started.
    """
    parent = os.getpid()

    def bind_to_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before prctl took effect; then no signal would ever come.
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=bind_to_parent,
    )


def begin_in_utf8_mode() -> None:
    """Begin the running command anew in UTF-8 mode where the locale is of another encoding; else do nothing.

    Whatever it starts is in that mode too.
    """
    if sys.flags.utf8_mode or locale.getencoding().lower().replace("-", "") == "utf8":
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONUTF8": "1"})
