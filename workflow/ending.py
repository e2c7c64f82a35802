"""The message at the end of a run: that all is done, or what failed, in which log, and what next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from common.messages import Message, Status, send
from workflow.cli.terminal.telling import SENTENCES, last_words

_BY_HAND = "Terminating processes on user request"
"""What Snakemake says at Ctrl-C, and only then."""
_REPORT = Path("results/report.html")


class Ending:
    """How a run ends. Whoever ends it by Ctrl-C sits before it, and is sent nothing."""

    def __init__(self, recipe: str, logger: logging.Logger, asked_to_end: Callable[[], bool]) -> None:
        """Begin to listen.

        Args:
            recipe: how a person calls it.
            logger: Snakemake's.
            asked_to_end: whether SIGTERM came, as when a login node is restarted.
        """
        self._recipe, self._asked_to_end = recipe, asked_to_end
        self._by_hand = False
        logger.addFilter(self._listen)

    def _listen(self, record: logging.LogRecord) -> bool:
        self._by_hand |= _BY_HAND in record.getMessage()
        return True

    def succeed(self, logs: Sequence[str]) -> str:
        """Tell that all is done; return what went wrong with that, as `common.messages.send`."""
        lines = [f"All that was asked of {self._recipe} is done in {Path.cwd()}."]
        if _REPORT.is_file():
            lines.append(f"The report: {_REPORT.absolute()}")
        return send(Message("done", f"alasin: {self._recipe} is done", "\n".join(lines), _snakemakes(logs)))

    def fail(self, failed: Iterable[Any], logs: Sequence[str]) -> str:
        """Tell of the jobs of Snakemake's that failed; return what went wrong with that, as `common.messages.send`."""
        if self._by_hand:
            return ""
        jobs = sorted(failed, key=lambda job: str(job.message or job.rule.name))
        first_log = next((Path(path).absolute() for job in jobs for path in job.log), _snakemakes(logs))
        status: Status = "stopped" if self._asked_to_end() else "failed"
        count = f"{len(jobs)} job{'s' if len(jobs) != 1 else ''} failed" if jobs else "it ended before all was done"
        what = "it was asked to end (SIGTERM)" if status == "stopped" else count
        lines = [f"{self._recipe} in {Path.cwd()}: {what}.", *(line for job in jobs for line in _told(job, status))]
        lines += ["", f"Snakemake's own log: {_snakemakes(logs)}"]
        mended = "" if status == "stopped" else "when what is told above is mended, "
        lines += [f"Next: {mended}the same command goes on from what is done; alasin status tells where phases stand."]
        return send(Message(status, f"alasin: {self._recipe}: {what}", "\n".join(lines), first_log))


def _told(job: Any, how: Status) -> Sequence[str]:
    paths = [Path(path).absolute() for path in job.log]
    sentences = [line for path in paths for line in last_words(path)][:SENTENCES]
    lines = ["", f"{how}: {job.message or job.rule.name}", *(f"  {line}" for line in sentences)]
    return [*lines, *(f"  log: {path}" for path in paths)]


def _snakemakes(logs: Sequence[str]) -> Path:
    return Path(next(iter(logs), ".snakemake/log")).absolute()
