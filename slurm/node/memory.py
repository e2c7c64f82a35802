"""Ranks that died for want of memory, or may have: what the kernel counts, and what a person lowers then."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from slurm.records.request import micro_batch_slots

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Statuses of a command that was killed, and of one that a shell or a container ran."""
_VMSTAT = Path("/proc/vmstat")


def out_of_memory_kills() -> int:
    """Return how many processes this machine's kernel has killed for want of memory; 0 where it does not tell."""
    found = re.search(r"^oom_kill (\d+)$", _VMSTAT.read_text() if _VMSTAT.exists() else "", re.MULTILINE)
    return int(found[1]) if found else 0


def words_about_a_kill(for_memory: bool, command: Sequence[str], ranks_here: int) -> str:
    """Return what a rank's log says last of its being killed.

    Args:
        for_memory: whether the kernel counted a kill for want of memory meanwhile.
        command: of the rank; its micro-batch, which takes the most memory, is told.
        ranks_here: ranks on this machine.
    """
    lower = f"lower {_now('micro_batch_slots', micro_batch_slots(command))}"
    if ranks_here > 1:
        lower += f" or {_now('processes_per_node', str(ranks_here))}"
    lower += " in the profile, or give it more memory"
    if for_memory:
        return f"error: the kernel killed this rank, since no memory was left: {lower}."
    return f"error: this rank was killed from outside (signal 9); if that was for want of memory, {lower}."


def _now(setting: str, value: str) -> str:
    """Return a setting with its present value, where that is known."""
    return f"{setting} (now {value})" if value else setting
