"""`alasin explain`: how a file was made; why it would be made again, and what of training that would set aside."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from common.errors import UserError, run_command
from recipe.checks import suggestion
from recipe.reading import read_recipe
from workflow.cli.explain.dry_run import CannotTellError, Job, planned
from workflow.cli.explain.mirror import mirrored
from workflow.cli.explain.text import explanation
from workflow.cli.parser import Parser
from workflow.cli.run import check_profiles, snakemake_arguments
from workflow.dag import Dag
from workflow.directory_lock import holder_elsewhere
from workflow.provenance.records import read_record
from workflow.provenance.text import made
from workflow.sources import sampled


def main() -> None:
    """Explain one file.

    Raises:
        UserError: nothing is known of it, or the recipe makes no such file.
    """
    parser = Parser(
        prog="alasin explain",
        description="Tell how a file was made: by which code, command, packages and inputs. With a recipe: why "
        "Snakemake would make it again: each job on the way, its reason, and what was trained that would be set aside. "
        "Looks only: nothing is written where Snakemake works.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="such as results/models/first/config.json; `all` for whatever the recipe asks for"
    )
    parser.add_argument("--configfile", type=Path, metavar="RECIPE", help="the recipe, to tell what it would do")
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    parser.add_argument("--profile", help="as of alasin run (default: local)")
    options = parser.parse_args()
    target = _inside(options.file, options.directory)
    record = read_record(options.directory, target)
    if record is None and options.configfile is None:
        raise UserError(
            f"nothing is on record of how {target} was made in {options.directory}; --configfile and a recipe tell why "
            "it would be."
        )
    if options.configfile is not None:
        _explain(target, options)
    elif record is not None:
        print(made(record))


def _explain(target: str, options: Namespace) -> None:
    """Tell why Snakemake would make a file again."""
    recipe = read_recipe(options.configfile)
    profile = ["--profile", options.profile] if options.profile else []
    arguments = snakemake_arguments([str(options.configfile), *profile])
    check_profiles(arguments)
    patterns = [pattern for source in recipe.sources.values() for pattern in source.files]
    with mirrored(options.directory, patterns) as mirror:
        with chdir(mirror):
            others = {sampled(name): changes for name, changes in Dag(recipe).sources.other_files.items()}
        jobs = _planned(target, arguments, mirror, options.configfile, list(others))
        print(explanation(target, jobs, options.directory, mirror, others))
    if holder := holder_elsewhere(options.directory):
        print(f"Snakemake is at work there now ({holder}): what it is making counts as not made yet.")


def _inside(file: str, directory: Path) -> str:
    """Return a file's path from the directory that Snakemake works in, if it was given from here."""
    path, base = Path(os.path.normpath(Path.cwd() / file)), Path(os.path.normpath(Path.cwd() / directory))
    return str(path.relative_to(base)) if path.is_relative_to(base) else file


def _planned(target: str, arguments: Sequence[str], mirror: Path, recipe: Path, forced: Sequence[str]) -> list[Job]:
    """Return the jobs for `target`; `UserError` if the recipe makes no such file, or Snakemake cannot plan."""
    try:
        return planned(target, arguments, mirror, forced)
    except CannotTellError as error:
        try:
            everything = planned("all", [*arguments, "--forceall"], mirror)
        except CannotTellError:
            raise UserError(str(error)) from None
    made = [file for job in everything for file in job.output]
    raise UserError(f"{recipe} makes no {target}{suggestion(target, made)}")


if __name__ == "__main__":
    run_command(main)
