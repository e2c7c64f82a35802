"""What a start takes, part by part, so that it is seen what keeps GPUs waiting after each restart."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple


class Seconds(NamedTuple):
    """What a part took."""

    clock: float
    processor: float
    """Of all threads of this process together."""


class StartClock:
    """When each part of the start of this process ended."""

    _LAST = "first step"

    def __init__(self) -> None:
        """Count from the start of the process."""
        # proc(5): field 22, the second of all after the name, which may hold anything, in parentheses.
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        self._last = Seconds(ticks / os.sysconf("SC_CLK_TCK"), 0.0)
        self.parts: dict[str, Seconds] = {}

    @property
    def running(self) -> bool:
        """Whether the start is not over."""
        return self._LAST not in self.parts

    def ended(self, part: str) -> None:
        """Say that a part has ended, and the next begins; after the first step nothing is counted any more."""
        if not self.running or part in self.parts:
            return
        now = Seconds(time.clock_gettime(time.CLOCK_BOOTTIME), time.process_time())
        self.parts[part] = Seconds(now.clock - self._last.clock, now.processor - self._last.processor)
        self._last = now

    def sentence(self) -> str:
        """Return what the parts took."""
        parts = ", ".join(f"{part} {seconds.clock:.1f}" for part, seconds in self.parts.items())
        return f"the first step ended {sum(each.clock for each in self.parts.values()):.1f} s after the start: {parts}"
