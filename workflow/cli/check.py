"""`alasin check`: a recipe's mistakes, or what it would train."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import UserError
from recipe.reading import missing_files, read_recipe, repeated_files, unusable_files
from recipe.schema import Recipe, lineage
from workflow.cli.parser import Parser
from workflow.dag import unreadable_files
from workflow.sources import PACKAGE_TEXT
from workflow.starting import Starts
from workflow.statistics.warning import foretold


def main() -> None:
    """Read a recipe and tell what it would train."""
    parser = Parser(
        prog="alasin check",
        description="Check a recipe and tell what it would train. Every mistake is one line that names the key.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file, such as config/demo.yaml")
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="working directory that the text lies in (default: here)"
    )
    options = parser.parse_args()
    recipe = read_recipe(options.recipe)
    os.chdir(options.directory)
    if unusable := unusable_files(recipe) + unreadable_files(recipe):
        raise UserError("\n".join(f"{options.recipe}: {sentence}" for sentence in unusable))
    if unfit := Starts(recipe).problems():
        raise UserError("\n".join(f"{options.recipe}: {sentence}" for sentence in unfit))
    print(f"{options.recipe}: {outline(recipe)}")


def outline(recipe: Recipe) -> str:
    """Return what a recipe would train, run by run, and which files of its sources are not in this directory."""
    languages = sorted({source.language for source in recipe.sources.values()})
    sources = f"{len(recipe.sources)} source{'s' if len(recipe.sources) > 1 else ''}"
    lines = [f"{recipe.title}: {sources} in {', '.join(languages)}"]
    for run in recipe.runs:
        way = lineage(recipe, run)
        stages = [stage for _, phase in way for stage in recipe.phases[phase].stages]
        tokens = sum(stage.tokens for stage in stages)
        own = ", ".join(phase if owner == run else f"{phase} (of {owner})" for owner, phase in way)
        lines.append(f"  {run}: {own}; {tokens:,} tokens, {stages[-1].length} in a row at the end")
    absent = missing_files(recipe, PACKAGE_TEXT)
    lines += [f"  {sentence}" for sentence in repeated_files(recipe)]
    lines += [f"  not there yet: {sentence}" for sentence in absent] or ["  all files are there"]
    lines += [f"  {sentence}" for sentence in filter(None, [foretold(recipe, Path("results/rows"))])]
    return "\n".join(lines)
