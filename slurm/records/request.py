"""What launch was asked to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MICRO_BATCH = "--micro-batch-slots"


@dataclass(frozen=True)
class Request:
    """A command to run as one job after another until `done` is there; paths are absolute."""

    cluster: str
    """Name of a description, or its path."""
    partition: str
    """Slurm's partition; empty for the scheduler's default."""
    nodes: int
    processes_per_node: int
    minutes: int
    """Time limit of each job."""
    start_seconds: float
    """A job that makes no first step within so long hangs; 0 for no limit."""
    step_seconds: float
    """So does one that makes no next step."""
    folder: Path
    done: Path
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    """Files that decide what the command makes."""
    devices: int = 0
    """GPUs of each node; 0 for those that the cluster's description gives a phase."""
    memory_gib: int = 0
    """Memory of each node; 0 likewise."""
    shortcut: str = ""
    """Module that is run here, with the command's options, before a job is submitted: it may make `done`."""
    beside: str = ""
    """Command that runs here, with the command's options, for as long as the launch does; nothing depends on it."""

    @property
    def options(self) -> tuple[str, ...]:
        """What follows the module in `command`; nothing where it runs none."""
        return self.command[self.command.index("-m") + 2 :] if "-m" in self.command else ()


def micro_batch_slots(command: Sequence[str]) -> str:
    """Return the micro-batch that a command was given, on which its memory depends most; empty if it was given none."""
    place = command.index(_MICRO_BATCH) + 1 if _MICRO_BATCH in command else len(command)
    return command[place] if place < len(command) else ""
