"""Snakemake's logger plugin `alasin`: each job of a dry run and each error as a line of JSON, with Snakemake's reason.

Snakemake finds it by its name, in whatever directory of PYTHONPATH it lies; the lines go to the file ALASIN_EVENTS.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from workflow.cli.listening import Listener

_FIELDS = ("rule_name", "rule_msg", "wildcards", "input", "output", "reason")


class LogHandler(Listener):
    """Writes what `workflow.cli.explain.dry_run` reads."""

    def __post_init__(self) -> None:
        """Find the file."""
        self._events = Path(os.environ["ALASIN_EVENTS"])

    def emit(self, record: logging.LogRecord) -> None:
        """Write a job or an error; let all else pass."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            content = {name: getattr(record, name) for name in _FIELDS}
            content["wildcards"] = dict(content["wildcards"])
        elif record.levelno >= logging.ERROR:
            content = {"error": record.getMessage()}
        else:
            return
        with open(self._events, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(content, default=list) + "\n")
