"""Slurm's own commands: run once, or asked again for as long as the controller is away.

A controller restarts now and then, a database is moved over lunch, a login node loses its network: a phase of weeks
must not end because a question went unanswered.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from common.errors import UserError
from common.telling import say

_TIMEOUT_SECONDS = 90.0
_OF_THE_USER = ("SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "SCANCEL_", "SLURM_")
"""Beginnings of variables by which sites and users give these commands options, or an allocation that launch itself
runs in would: fewer jobs shown, other time limits than the script's, a job without its environment."""
_KEPT = {"SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT"}
"""Those of them that say where Slurm is."""
_AWAY = re.compile(
    "unable to contact slurm controller|slurm controller not responding|socket timed out|zero bytes were transmitted"
    "|connection (refused|timed out|reset)|transport endpoint is not connected|temporarily unable to accept job"
    "|resource temporarily unavailable|in standby mode|slurm_persist_conn_open|slurmdbd|unable to connect"
    "|communication (connection|shutdown) failure|no route to host|message (send|receive) failure",
    re.IGNORECASE,
)
_PATIENCE_SECONDS = (5.0, 10.0, 20.0, 30.0)
"""Between attempts; the last one from then on."""

Answer = TypeVar("Answer")
Pause = Callable[[float], None]
"""Sleeps for so many seconds; may raise to end the waiting."""


class SlurmError(UserError):
    """Slurm answered that it will not; the argument is its text."""


class AwayError(Exception):
    """Slurm did not answer."""


class AbsentError(UserError):
    """There is no such command, or it cannot be run."""

    def __init__(self, why: str) -> None:
        """Add to `why`, a clause without its end, what to do."""
        super().__init__(f"{why}; run this where Slurm's commands are, on a login node.")


def ask_once(command: Sequence[str], seconds: float = _TIMEOUT_SECONDS) -> str:
    """Run one of Slurm's commands and return what it prints, whatever options the environment would give it.

    Raises `AwayError` if the controller or the database does not answer within so many seconds, `SlurmError` with
    Slurm's words if it does not do what it is asked, `AbsentError` where there is no such command.
    """
    try:
        done = subprocess.run(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise AbsentError(f"there is no {command[0]} on PATH") from None
    except OSError as error:
        raise AbsentError(f"{command[0]} cannot be run ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise AwayError(f"{command[0]} took more than {seconds:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    text = done.stderr.strip() or done.stdout.strip() or f"{command[0]} ended with status {done.returncode}"
    raise refusal(text)


def refusal(text: str) -> AwayError | SlurmError:
    """Return what it means that one of Slurm's commands failed with these words."""
    return (AwayError if _AWAY.search(text) else SlurmError)(text)


@contextmanager
def options_hidden() -> Iterator[None]:
    """Hide from whoever calls Slurm meanwhile what the environment would give its commands."""
    before = dict(os.environ)
    try:
        for name in before.keys() - _environment().keys():
            del os.environ[name]
        yield
    finally:
        os.environ.update(before)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith(_OF_THE_USER)}
    return kept | {"SLURM_TIME_FORMAT": "standard"}


def wait_out(attempt: Callable[[], Answer], pause: Pause) -> Answer:
    """Return what `attempt` returns, trying again for as long as it raises `AwayError`.

    The first failure and the answer after it are told. Raises whatever else `attempt` or `pause` raises.
    """
    failures = 0
    while True:
        try:
            answer = attempt()
        except AwayError as error:
            if failures == 0:
                say(f"Slurm does not answer ({error}); asking again until it does")
            pause(_PATIENCE_SECONDS[min(failures, len(_PATIENCE_SECONDS) - 1)])
            failures += 1
            continue
        if failures:
            say("Slurm answers again")
        return answer


def ask(command: Sequence[str], pause: Pause) -> str:
    """Return what one of Slurm's commands prints, waiting while Slurm is away. Raises `SlurmError`, `AbsentError`."""
    return wait_out(partial(ask_once, command), pause)
