"""Where every phase of every run stands: `python -m slurm.status`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from common.errors import UserError, run_command
from slurm.status.survey import look
from slurm.status.text import render

_EPILOG = """\
states
  not begun   no job was submitted yet
  pending     its job is in Slurm's queue; Slurm's reason follows
  running     its job runs
  continuing  its job has ended, and the launch that follows it is about to go on
  stopped     its job has ended, and nothing goes on by itself; why, and what to do, follows
  done        checkpoint.json is there
  unknown     only Slurm could tell, and it did not answer; or a record is damaged

columns
  slots       done/all, places for tokens in packed rows, a few of which stay empty: up to the last step
              while it runs, otherwise up to the newest checkpoint, from which it would go on
  loss        of the last step, nats per masked token
  tok/s       real tokens on all devices together, median of the last 20 steps
  left        training time at that speed; queues, starts and checkpoints come on top
  saved       age of the newest checkpoint

Phases are those that the recipes say which snakemake has read in this directory; if you gave up a run,
delete its results/recipe/evaluation/RUN.json. --json has the same and more: seconds, slots, each run of
each job. The exit status is 0 whatever the phases' states.
"""


def screen(results: Path, runs: Sequence[str]) -> str:
    """Return what a person is shown now."""
    statuses, problem = look(results, runs)
    table = render(statuses) if statuses else f"No phase has begun: snakemake has read no recipe in {results} yet."
    return f"{problem}\n{table}" if problem else table


def watch(results: Path, runs: Sequence[str], seconds: float) -> None:
    """Show the table anew every so many seconds, until Ctrl-C."""
    clear = "\033[H\033[2J\033[3J" if sys.stdout.isatty() else ""
    with suppress(KeyboardInterrupt):
        while True:
            heading = f"{datetime.now():%Y-%m-%d %H:%M:%S}, every {seconds:g} s until Ctrl-C"
            print(f"{clear}{heading}\n{screen(results, runs)}", flush=True)
            time.sleep(seconds)
    print()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; name runs before --watch") from None
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text} s is not between 0.1 s and a day")
    return seconds


def main() -> None:
    """Show where phases stand."""
    parser = argparse.ArgumentParser(
        prog="python -m slurm.status",
        description="Show where each phase of each run stands: its state, job, progress, speed, restarts, checkpoint.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="only the phases on the way of these runs (default: all)"
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects, one a phase, for programs")
    form.add_argument(
        "--watch", metavar="SECONDS", nargs="?", const=10.0, type=_seconds, help="show it again and again (default: 10)"
    )
    given = parser.parse_args()
    results: Path = given.directory / "results"
    if not results.is_dir():
        raise UserError(f"{given.directory.absolute()} has no results/; give --directory where snakemake runs.")
    if given.watch:
        watch(results, given.runs, given.watch)
    elif given.json:
        statuses, problem = look(results, given.runs)
        print(json.dumps([asdict(status) for status in statuses], indent=1))
        if problem:
            print(problem, file=sys.stderr)
    else:
        print(screen(results, given.runs))


if __name__ == "__main__":
    run_command(main)
