"""A command that runs beside a launch for as long as that does, and on which nothing depends."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence

from common.processes import spawn_bound
from common.telling import say


class Beside:
    """A process that dies with this one, and is asked to end by SIGTERM."""

    def __init__(self, command: str, options: Sequence[str]) -> None:
        """Start it; an error is said and no more.

        Args:
            command: as a shell would read it, but no shell does.
            options: of the command of the launch, which follow.
        """
        self._process: subprocess.Popen[bytes] | None = None
        words = [*shlex.split(command), *options]
        # Until it listens a request to end waits for it. What the whole terminal hears is for the launch alone.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        try:
            # Standard output is for what the job prints.
            self._process = spawn_bound(words, dict(os.environ), stdout=sys.stderr.buffer)
        except OSError as error:
            say(f"cannot start {words[0]!r} beside the phase ({error.strerror}); training does without")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)

    def end(self, seconds: float) -> None:
        """Ask it to end, wait so long, and kill it then."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            say(f"what runs beside the phase took longer than {seconds:g} s to end, and was killed")
            self._process.kill()
            self._process.wait()
