"""What Snakemake has noted of each output: by which job it was made, when, and from what."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

METADATA = Path(".snakemake/metadata")


@dataclass(frozen=True)
class Noted:
    """What is noted of one output."""

    output: str
    """As the rule names it: below the working directory, as a rule."""
    rule: str
    began: float
    """Seconds since the epoch. On a cluster that is when the job was submitted, so that it holds time in the queue."""
    ended: float
    inputs: tuple[str, ...]
    command: str
    """On one line."""


@dataclass(frozen=True)
class Job:
    """What is noted of all outputs of one job."""

    rule: str
    began: float
    ended: float
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def hours(self) -> float:
        """From start to end."""
        return (self.ended - self.began) / 3600


def read_noted(directory: Path) -> Iterator[Noted]:
    """Yield what is noted in Snakemake's working directory, in the order of the files' names.

    The name of a file there is the output's, in base64. Of an output that was made anew the last job is noted. What
    cannot be read is passed over: that of a job that runs, or of another version of Snakemake.
    """
    folder = directory / METADATA
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        parts = path.relative_to(folder).parts
        try:
            # A name that is too long for a file continues in folders, whose names begin with @.
            output = urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if not isinstance(content, dict):
            continue
        rule, began, ended = (content.get(key) for key in ("rule", "starttime", "endtime"))
        if isinstance(rule, str) and isinstance(began, float) and isinstance(ended, float):
            command = " ".join((content.get("shellcmd") or "").split())
            yield Noted(output, rule, began, ended, tuple(content.get("input") or ()), command)


def read_jobs(directory: Path) -> list[Job]:
    """Return the jobs that are noted in a working directory, each once however many outputs it had, oldest first."""
    found: dict[tuple[str, str, float], list[Noted]] = {}
    for one in read_noted(directory):
        # Outputs of a job begin some microseconds apart, and end together.
        found.setdefault((one.rule, one.command, one.ended), []).append(one)
    jobs = [
        Job(
            rule,
            min(one.began for one in group),
            ended,
            tuple(dict.fromkeys(name for one in group for name in one.inputs)),
            tuple(one.output for one in group),
        )
        for (rule, _, ended), group in found.items()
    ]
    return sorted(jobs, key=lambda job: (job.began, job.outputs))
