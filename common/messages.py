"""A message to whoever started a run: a command of theirs gets it, so that it may become mail, a chat or a ring.

Nothing of it is put into the command: a shell runs what the person wrote, the text comes on standard input and the rest
in the environment. It is no part of the work: that it fails is one sentence and changes nothing.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

COMMAND = "ALASIN_MESSAGE"
"""The environment variable that holds the command; unset or empty, nothing is sent."""
SECONDS = 30.0
"""So long the command may take."""
Status = Literal["done", "failed", "stopped"]
_SUBJECT = 200
_TEXT = 20_000
"""Characters of a subject and a text at most."""


@dataclass(frozen=True)
class Message:
    """What is told, and what of it the command finds in its environment."""

    status: Status
    """`ALASIN_STATUS`."""
    subject: str
    """`ALASIN_SUBJECT`, one line."""
    text: str
    """On standard input: what is wrong, and what next."""
    log: Path
    """`ALASIN_LOG`: the file or folder that tells more."""


def send(message: Message, seconds: float = SECONDS) -> str:
    """Run the command of `ALASIN_MESSAGE`, if there is one, and wait until it has taken the message.

    Returns:
        What went wrong, in a sentence; empty where the message was taken or none was wanted. It raises nothing.
    """
    command = os.environ.get(COMMAND, "").strip()
    if not command:
        return ""
    environment = os.environ | {
        "ALASIN_STATUS": message.status,
        "ALASIN_SUBJECT": _one_line(message.subject),
        "ALASIN_LOG": _one_line(str(message.log)),
    }
    try:
        why = _run(command, message.text[:_TEXT].replace("\0", " ").rstrip() + "\n", environment, seconds)
    except OSError as error:
        why = str(error)
    return f"no message was sent, for its command {why}; the work is as it was" if why else ""


def _run(command: str, text: str, environment: dict[str, str], seconds: float) -> str:
    """Return how a command failed; empty where it ended with 0."""
    # Files, not pipes: a command that reads nothing, or leaves something running, holds nobody up.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(text.encode("utf-8", errors="replace"))
        given.seek(0)
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            env=environment,
            stdin=given,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"took longer than {seconds:g} s and was ended"
        if not status:
            return ""
        said.seek(0)
        lines = said.read(_TEXT).decode("utf-8", errors="replace").split("\n")
        words = [_one_line(line) for line in lines if line.strip()]
        return f"ended with status {status}" + (f" ({words[-1]})" if words else "")


def _one_line(text: str) -> str:
    """Return a text without what could begin another line or header, and not longer than a subject."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text).strip()[:_SUBJECT]
