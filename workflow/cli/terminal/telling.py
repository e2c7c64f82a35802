"""What a person reads while Snakemake works: a line for each job that ended, and at the end what must not be missed.

A job that fails is told in the sentence that its log ends with, and the log's path. Warnings of all jobs stand together
at the end, where they are seen. While nothing ends, a line now and then says what is at work.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.quantities import clock
from workflow.cli.place import REPOSITORY

READ = 1 << 20
"""Bytes of the end of a log that are looked at."""
SENTENCES = 4
"""Lines of an error that are shown; the log has the rest."""
_OF_A_LIBRARY = re.compile(r"\S.*:\d+: \w*Warning: ")
"""How Python prints a warning; what it arose at follows, indented."""
_BAR = re.compile(r"^[^|]{0,80}\d%\|[^|]{0,200}\|[^\[]{0,40}\[[^\]]{0,80}\]\s*")
"""How libraries draw how far they are; what is said next may stand on the same line. Short, for lines may be long."""
_TOO_LITTLE_MEMORY = re.compile(
    "MemoryError|can(?:no|')t allocate memory|unable to allocate|bad_alloc|OutOfMemoryError", re.IGNORECASE
)
MORE_ROOM = "set --cores lower, so that less is done at once, or take a machine with more memory"
KILLED = f"it was killed from outside (signal 9). If that was for want of memory, {MORE_ROOM}."
_ADVICE = {
    _TOO_LITTLE_MEMORY: f"There was too little memory: {MORE_ROOM}.",
    re.compile("^ModuleNotFoundError: No module named", re.MULTILINE): "The environment lacks a package: `make "
    f"environment` in {REPOSITORY} installs all that this version needs (in a container: envs/lumi.sh).",
}
"""What the last words of a job are by a library -> what to do."""
RED, YELLOW, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


@dataclass
class Job:
    """A job that has begun."""

    message: str
    logs: list[Path]
    began: float
    """Of `Teller.now`, seconds."""


@dataclass
class Teller:
    """Turns what Snakemake says of its jobs into lines."""

    write: Callable[[str], None]
    """Takes a line without its end."""
    colours: bool = False
    now: Callable[[], float] = time.monotonic
    done: int = 0
    total: int = 0
    running: dict[int, Job] = field(default_factory=dict)
    """Number of a job -> it."""
    ended: list[tuple[int, Job]] = field(default_factory=list)
    """Jobs that have ended since the last count, each with its seconds."""
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopping: bool = False
    """Whether a person has asked all jobs to end: that they do is no failure."""
    _last: list[str] = field(default_factory=list)
    """Warnings that stand at the end already: nothing was told since."""
    _buried: bool = False
    """Whether something was told, or may have been by a job at work, since the first failure."""

    def begin(self, number: int, message: str, logs: Sequence[str]) -> None:
        """Take note of a job that begins."""
        self.running[number] = Job(message, [Path(log) for log in logs], self.now())

    def finish(self, number: int) -> None:
        """Take note of a job that has ended well; `count` prints it."""
        if job := self.running.pop(number, None):
            self.ended.append((number, job))

    def count(self, done: int, total: int) -> None:
        """Print the jobs that ended, with how many steps are done."""
        self.done, self.total = done, total
        for _, job in self.ended:
            width = len(str(total))
            self._buried |= bool(self.failures)
            self._last.clear()
            self.write(f"[{done:{width}}/{total}] {clock(self.now() - job.began):>7}  {job.message}")
            self.warnings += [f"{line}  ({log})" for log in job.logs for line in said(log, "warning: ")]
        self.ended.clear()

    def fail(self, number: int, name: str, logs: Sequence[str], told: str, killed: bool = False) -> None:
        """Print that a job has failed, or stopped where that was asked: what its log ends with, and where it is.

        Args:
            number: of the job.
            name: of its rule, for a job that is not known.
            logs: paths of its logs.
            told: what Snakemake says of it, where no log tells.
            killed: whether it was killed, so that its log ends anywhere.
        """
        job = self.running.pop(number, Job(name, [], self.now()))
        paths = [Path(log) for log in logs]
        sentences = [KILLED] if killed else [line for log in paths for line in last_words(log)] or [told]
        for cause, advice in _ADVICE.items():
            if cause.search("\n".join(sentences)):
                sentences = [*sentences[: SENTENCES - 1], advice]
        lines = [f"  {line}" for line in sentences[:SENTENCES]]
        if self.stopping and not lines[0].startswith("  error: "):
            self._show("\n".join([f"stopped: {job.message}", *lines]), YELLOW)
            return
        lines += [f"  log: {log.absolute()}" for log in paths]
        self.failures.append("\n".join([f"failed: {job.message}", *lines]))
        self._buried |= bool(self.running)
        self._show(self.failures[-1], RED)

    def warn(self, text: str) -> None:
        """Print a warning of Snakemake's, and keep it for the end."""
        self._buried |= bool(self.failures)
        self.warnings.append(text)
        self._show(text, YELLOW)
        self._last.append(text)

    def error(self, text: str) -> None:
        """Print an error that is of no job."""
        self._show(without_frames(text), RED)

    def still(self) -> None:
        """Print what is at work."""
        if self.running:
            at_work = [f"{job.message} ({clock(self.now() - job.began)})" for job in self.running.values()]
            self.write(f"  at work: {'; '.join(at_work)}")

    def close(self) -> None:
        """Print what must not be missed: warnings, failures, and that there is something left to do."""
        self.count(self.done, self.total)
        for warning in dict.fromkeys(self.warnings):
            if warning not in self._last:
                self._show(warning, YELLOW)
        if self.failures and (self._buried or self.warnings):
            self.write(f"{len(self.failures)} job{'s' if len(self.failures) > 1 else ''} failed:")
            for failure in self.failures:
                self._show(failure, RED)
        if self.done < self.total:
            self.write(f"{self.done} of {self.total} steps are done; the same command goes on from here.")

    def _show(self, text: str, colour: str) -> None:
        if colour == RED:
            self._last.clear()
        self.write(f"{colour}{text}{PLAIN}" if self.colours else text)


def steps(count: int) -> str:
    """Return a number of steps in words."""
    return f"{count} step{'s' if count != 1 else ''}"


def said(log: Path, beginning: str) -> list[str]:
    """Return the lines of a log that begin so; none if it cannot be read."""
    return [line for line in _end_of(log) if line.startswith(beginning)]


def last_words(log: Path) -> list[str]:
    """Return the sentence of a log's last error, or its last line where there is none."""
    said_by_jobs = (_BAR.sub("", line) for line in _end_of(log))
    lines = list(_without_warnings_of_libraries(line for line in said_by_jobs if line.strip()))
    begins = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    last = lines[begins[-1] :] if begins else lines[-1:]
    # Launch adds to its log, and ends with its error: what it said after one is of a later attempt.
    return lines[-1:] if any(line.startswith("launch: ") for line in last) else last


def _without_warnings_of_libraries(lines: Iterable[str]) -> Iterator[str]:
    """Leave out what Python prints of a warning; some libraries warn on their way out, after the error."""
    of_one = False
    for line in lines:
        of_one = bool(_OF_A_LIBRARY.match(line)) or (of_one and line[0] == " ")
        if not of_one:
            yield line


def without_frames(text: str) -> str:
    """Return an error of Snakemake's without the lines that say where in its own and our files it arose."""
    lines = [line for line in text.splitlines() if not re.match(r'\s*File ".*", line \d+|WorkflowError', line)]
    return "\n".join(lines).strip() or text


def _end_of(log: Path) -> list[str]:
    try:
        with open(log, "rb") as stream:
            stream.seek(max(0, log.stat().st_size - READ))
            return stream.read().decode(errors="replace").splitlines()
    except OSError:
        return []
