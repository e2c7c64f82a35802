"""`alasin corpus --dry`: what cleaning would remove from each source, with examples, before anything is removed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError, run_command
from common.files import atomic_file, write_json
from corpus.hub.lists import local_files
from corpus.preview.spread import read_spread
from corpus.preview.summary import summary
from corpus.preview.verdicts import try_steps
from corpus.sampling.cleaning import wanted_by
from corpus.sources.readers import source_files
from recipe.checks import suggestion
from recipe.hub import is_on_hub, list_name
from recipe.reading import expand_files, read_recipe
from recipe.schema import Recipe
from recipe.slices.making import source_slice
from recipe.slices.types import SourceSlice
from workflow.cli.corpus.page import page
from workflow.cli.corpus.text import overview, told
from workflow.cli.parser import Parser

DOCUMENTS = 1000
EXAMPLES = 20
"""Of each filter, on the page."""


def main() -> None:
    """Try the steps of cleaning on some documents of each source."""
    parser = Parser(
        prog="alasin corpus",
        description="Show what each step of cleaning would remove from some documents of each source, each filter by "
        "itself and all together, with the documents nearest to each threshold. Nothing is removed or written, but for "
        "the page that --output asks for.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file, such as config/demo.yaml")
    parser.add_argument("--dry", action="store_true", help="only show; there is no other way yet than alasin run")
    parser.add_argument("--source", action="append", metavar="SOURCE", help="only this one; may be given several times")
    parser.add_argument(
        "--documents", type=int, default=DOCUMENTS, help="of each source, spread over its files (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write cleaning.html and cleaning.json there")
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="working directory that the text lies in (default: here)"
    )
    options = parser.parse_args()
    if not options.dry:
        raise UserError("alasin corpus needs --dry, and shows what cleaning would remove; alasin run cleans.")
    if options.documents < 1:
        raise UserError(f"--documents is {options.documents}; give at least 1.")
    recipe = read_recipe(options.recipe)
    names = _names(recipe, options.source)
    output = options.output and Path.cwd() / options.output
    os.chdir(options.directory)
    summaries = []
    for found in _summaries(recipe, names, options.documents, EXAMPLES if output else 1):
        summaries.append(found)
        print(told(found), end="\n\n", flush=True)
    if not summaries:
        whose = names[0] if len(names) == 1 else f"the {len(names)} sources"
        raise UserError(f"no file of {whose} is in {Path.cwd()}; say where with --directory.")
    if len(summaries) > 1:
        print(overview(summaries))
    if output:
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "cleaning.json", {"recipe": str(options.recipe), "sources": summaries})
        with atomic_file(output / "cleaning.html") as stream:
            stream.write(page(recipe.title, summaries).encode())
        print(f"Examples of all that would be removed: {output / 'cleaning.html'}")


def _names(recipe: Recipe, asked: Sequence[str] | None) -> list[str]:
    """Return the sources to look at, in the order of the recipe; `UserError` for one that it has not."""
    for name in asked or ():
        if name not in recipe.sources:
            raise UserError(f"the recipe has no source {name}{suggestion(name, recipe.sources)}")
    return [name for name in recipe.sources if not asked or name in asked]


def _summaries(recipe: Recipe, names: Sequence[str], documents: int, examples: int) -> Iterator[dict[str, Any]]:
    """Yield what cleaning would do to each source whose files are there; name the others."""
    for name in names:
        source = source_slice(recipe, name)
        if there := _files_there(source):
            yield _summary(source, there, documents, examples)
        else:
            print(f"{name}: its files are not there yet ({', '.join(source.files[:3])})", file=sys.stderr)


def _files_there(source: SourceSlice) -> list[str]:
    """Return the files of a source that are in this directory: those it names, and what was fetched from the hub."""
    there = expand_files(source)
    addresses = list(filter(is_on_hub, source.files))
    listed = Path(f"results/hub/{list_name(addresses)}.json")
    if addresses and listed.is_file():
        there += local_files(addresses, listed)
    return [file for file in there if Path(file).is_file()]


def _summary(source: SourceSlice, there: Sequence[str], documents: int, examples: int) -> dict[str, Any]:
    files, _ = source_files(there)
    spread = read_spread(files, source.plain_text, wanted_by(source), documents)
    return summary(source, len(files), spread, try_steps(source, spread), examples)


if __name__ == "__main__":
    run_command(main)
