"""Snakemake's logger plugin `alasin-terminal`: what `workflow.cli.terminal.telling` makes of its events.

Snakemake finds it by its name, in whatever directory of PYTHONPATH it lies; `alasin run` puts it there.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from common.errors import UserError
from workflow.cli.explain.dry_run import Job
from workflow.cli.listening import Listener
from workflow.cli.terminal.dry_run import DryRun
from workflow.cli.terminal.telling import Teller, steps

QUIET_SECONDS = 60.0
"""After so long without a line, what is at work is told."""
NOTHING = "Nothing to be done"
STOPPING = "Terminating processes"
PASSED_ON = (NOTHING, "Will exit after", STOPPING)
"""In what of Snakemake's plain words a person needs."""
TOLD_OTHERWISE = ("CalledProcessError in file", "Exiting because a job execution failed", "At least one job did not")
"""In what Snakemake says of a job that failed, which is told with its own last words."""
OF_A_KILL = ("died with <Signals.SIGKILL", "exit status 137")
"""In what it says, just before, of a job that was killed: its shell, or what the shell ran."""
TARGET = "all"
"""The rule that only names what is wanted."""
REPORT = Path("results/report.html")


class LogHandler(Listener):
    """Writes to the terminal, on the stream that Snakemake would take: standard error, but for a dry run."""

    def __post_init__(self) -> None:
        """Begin to listen."""
        colours = (sys.stdout if self.common_settings.stdout else sys.stderr).isatty() and "NO_COLOR" not in os.environ
        self._teller = Teller(self._write, colours)
        self._dry_run = DryRun()
        self._reported = False
        self._kills: list[str] = []
        """What Snakemake has said of jobs that were killed; their commands are in it."""
        self._planned: dict[str, int] = {}
        """Rule -> its jobs, and all of them together."""
        self._targets = 0
        self._spoken, self._over = threading.Event(), threading.Event()
        threading.Thread(target=self._keep_telling, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of a record, or let it pass."""
        event, fields = getattr(record, "event", None), record.__dict__
        if event == LogEvent.JOB_INFO:
            self._job(fields)
        elif event == LogEvent.JOB_FINISHED:
            self._teller.finish(fields["job_id"])
        elif event == LogEvent.PROGRESS:
            # The target comes last, and makes nothing.
            total = fields["total"] - self._targets
            self._teller.count(min(fields["done"], total), total)
            self._reported |= fields["done"] == fields["total"]
        elif event == LogEvent.JOB_ERROR:
            self._fail(fields)
        elif event == LogEvent.RUN_INFO:
            self._plan(fields)
        elif any(words in record.getMessage() for words in TOLD_OTHERWISE):
            if any(words in record.getMessage() for words in OF_A_KILL):
                self._kills.append(record.getMessage())
        elif record.levelno >= logging.ERROR:
            self._teller.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._teller.warn(record.getMessage())
        elif any(words in record.getMessage() for words in PASSED_ON):
            self._write(record.getMessage())
            self._reported |= NOTHING in record.getMessage()
            self._teller.stopping |= STOPPING in record.getMessage()

    def close(self) -> None:
        """Say what must not be missed, and where the results are; once."""
        if not self._over.is_set():
            self._over.set()
            if not self.common_settings.dryrun:
                self._teller.close()
                self._tell_results()
            elif self._planned:
                self._write(self._dry_run.end(self._planned))
            if self._teller.stopping:
                # At a second Ctrl-C Snakemake still has a page to say of what that interrupts. Python prints what no
                # handler takes.
                logging.getLogger("snakemake").addHandler(logging.NullHandler())
        super().close()

    def _job(self, fields: dict[str, Any]) -> None:
        message = fields["rule_msg"] or fields["rule_name"]
        if not fields["output"]:  # a target that only names others
            return
        if not self.common_settings.dryrun:
            self._teller.begin(fields["jobid"], message, fields["log"])
        else:
            names = ("input", "output", "reason")
            job = Job(fields["rule_name"], message, dict(fields["wildcards"]), *(fields[name] for name in names))
            self._write(self._dry_run.job(job))

    def _fail(self, fields: dict[str, Any]) -> None:
        command = (fields["shellcmd"] or "").strip()
        killed = bool(command) and any(command in said for said in self._kills)
        told = fields["rule_msg"] or "no log tells"
        self._teller.fail(fields["jobid"], fields["rule_name"], fields["log"], told, killed)

    def _plan(self, fields: dict[str, Any]) -> None:
        self._planned = dict(fields["stats"])
        self._targets = self._planned.pop(TARGET, 0)
        self._planned["total"] -= self._targets
        self._teller.total = self._planned["total"]
        if not self.common_settings.dryrun:
            self._write(f"{steps(self._teller.total)} to do in {Path.cwd()}")

    def _tell_results(self) -> None:
        if not self._reported or not REPORT.is_file():
            return
        try:
            from workflow.report.results import Results
            from workflow.report.summary import summary
        except ImportError:  # a login node has not what reads results
            self._write(f"Report, to open in a browser: {REPORT.absolute()}")
            return
        try:
            self._write("\n" + summary(Results(REPORT.absolute().parent)))
        except UserError as error:
            self._teller.error(str(error))

    def _write(self, text: str) -> None:
        self._spoken.set()
        print(text, file=sys.stdout if self.common_settings.stdout else sys.stderr, flush=True)

    def _keep_telling(self) -> None:
        """Say what is at work when nothing has been said for long, each time after twice as long."""
        patience = QUIET_SECONDS
        while not self._over.is_set():
            if self._spoken.wait(patience):
                self._spoken.clear()
                patience = QUIET_SECONDS
            else:
                self._teller.still()
                self._spoken.clear()
                patience *= 2
