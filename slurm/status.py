"""Where every phase of every run stands: `python -m slurm.status`.

It reads the files below `results/` and asks Slurm one question. It writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from corpus.files import UserError, run_command
from slurm.phase_status import PhaseFiles, PhaseStatus, judge, read_files
from slurm.squeue import NoAnswerError, Queued, ask
from slurm.status_text import render
from workflow.slices import EvaluationSlice, PhaseSlice, read_slice

Phase = tuple[str, str]
"""(run that owns the phase, name of the phase)."""

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
  tokens      done/all, in slots of packed rows: up to the last step while it runs, otherwise up to the
              newest checkpoint, from which it would go on
  loss        of the last step, nats per masked token
  tok/s       real tokens on all devices together, median of the last 20 steps
  left        training time at that speed; queues, starts and checkpoints come on top
  saved       age of the newest checkpoint

Phases are those that the recipes say which snakemake has read in this directory; if you gave up a run,
delete its results/recipe/evaluation/RUN.json. --json has the same and more: seconds, tokens, each run of
each job. The exit status is 0 whatever the phases' states.
"""


def read_lineages(results: Path) -> dict[str, list[Phase]]:
    """Return run -> its phases in order, those it shares with other runs among them; empty if no recipe was read."""
    paths = sorted((results / "recipe" / "evaluation").glob("*.json"))
    return {path.stem: read_slice(path, EvaluationSlice).lineage for path in paths}


def leftovers(results: Path, known: set[Phase]) -> list[Phase]:
    """Return phases that have a job but are in no recipe any more, unless they are done."""
    folders = sorted(path.parent for path in results.glob("runs/*/*/job.json"))
    phases = [(folder.parent.name, folder.name) for folder in folders if not (folder / "checkpoint.json").exists()]
    return [phase for phase in phases if phase not in known]


def read_phases(results: Path, runs: Sequence[str]) -> list[PhaseFiles]:
    """Read the files of every phase of `runs`, or of all if there are none, by run and in order.

    Raises `UserError` if there is no such run, or a slice of the recipe cannot be read.
    """
    lineages = read_lineages(results)
    others = leftovers(results, {phase for way in lineages.values() for phase in way})
    for phase in others:
        lineages.setdefault(phase[0], []).append(phase)
    if unknown := [run for run in runs if run not in lineages]:
        known = ", ".join(sorted(lineages)) or "none yet"
        raise UserError(f"there is no run {unknown[0]!r} in {results}; the runs there are: {known}.")
    before = {way[place]: way[place - 1] for way in lineages.values() for place in range(1, len(way))}
    places = {phase: place for way in lineages.values() for place, phase in enumerate(way)}
    chosen = {phase for run in runs or lineages for phase in lineages[run]}
    return [
        _read_phase(results, phase, None if phase in others else before.get(phase), phase not in others)
        for phase in sorted(chosen, key=lambda phase: (phase[0], places[phase]))
    ]


def _read_phase(results: Path, phase: Phase, previous: Phase | None, in_recipe: bool) -> PhaseFiles:
    path = results / "recipe" / "phase" / f"{'.'.join(phase)}.json"
    content = read_slice(path, PhaseSlice) if in_recipe else None
    waits = previous is not None and not results.joinpath("runs", *previous, "checkpoint.json").exists()
    waits_for = "/".join(previous) if previous and waits else None
    return read_files(*phase, results.joinpath("runs", *phase), content, waits_for)


def look(results: Path, runs: Sequence[str]) -> tuple[list[PhaseStatus], str]:
    """Return where the phases stand now, and a sentence about Slurm if it could not be asked.

    Raises `UserError` as `read_phases` does.
    """
    phases = read_phases(results, runs)
    jobs = [job for phase in phases if (job := phase.slurm_job)]
    slurm: dict[str, Queued] | None = {}
    problem = ""
    if jobs:
        try:
            slurm = ask(jobs)
        except NoAnswerError as error:
            slurm, problem = None, f"{error} What follows is from the files alone."
    return [judge(phase, slurm, time.time()) for phase in phases], problem


def screens(results: Path, runs: Sequence[str]) -> Iterator[str]:
    """Yield what a person is shown, as of each moment that it is asked for."""
    while True:
        statuses, problem = look(results, runs)
        table = render(statuses) if statuses else f"No phase has begun: snakemake has read no recipe in {results} yet."
        yield f"{problem}\n{table}" if problem else table


def watch(results: Path, runs: Sequence[str], seconds: float) -> None:
    """Show the table anew every so many seconds, until Ctrl-C."""
    clear = "\033[H\033[2J\033[3J" if sys.stdout.isatty() else ""
    try:
        for screen in screens(results, runs):
            print(f"{clear}{datetime.now():%Y-%m-%d %H:%M:%S}, every {seconds:g} s until Ctrl-C\n{screen}", flush=True)
            time.sleep(seconds)
    except KeyboardInterrupt:
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
        print(next(screens(results, given.runs)))


if __name__ == "__main__":
    run_command(main)
