"""`alasin inspect`: the documents that stand in a row of training, by the number that metrics and messages give it."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from common.errors import UserError
from common.files import read_json
from corpus.rows.listing import read_list
from model.history.plan import plan_of
from model.history.position import Position
from model.history.store import load_state, pointed_directory
from model.inspection import Seen, documents, stream_of, streams
from recipe.needs import previous_phase
from recipe.reading import read_recipe
from recipe.slices.files import read_slice
from recipe.slices.types import PhaseSlice
from workflow.cli.parser import Parser

SHOWN = 400
"""Characters of a document that are shown."""
ROWS = 100
"""Rows that are shown at once, at most."""


def main() -> None:
    """Print what stands in some rows."""
    parser = Parser(
        prog="alasin inspect",
        description="Print the documents in rows that a phase trains on, numbered as `first_row` of metrics.jsonl and "
        "error messages number them: what a loss broke off at, before it is left out by skip_rows.",
    )
    parser.add_argument("phase", metavar="RUN/PHASE", help="such as small/stable")
    parser.add_argument("first", metavar="ROW", type=int, help="global row")
    parser.add_argument("last", metavar="LAST", type=int, nargs="?", help="last one of several (default: only ROW)")
    parser.add_argument("--stream", type=int, help="number of the stream, where the phase reads several")
    parser.add_argument("--characters", type=int, default=SHOWN, help="of a document (default: %(default)s)")
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    options = parser.parse_args()
    last = options.first if options.last is None else options.last
    if not 0 <= options.first <= last < options.first + ROWS:
        raise UserError(f"rows {options.first} to {last} are none, or more than {ROWS}; give the first, then the last.")
    results: Path = options.directory / "results"
    content, folder = _phase(results, options.phase)
    tokenizer_folder = results / "tokenizers" / content.tokenizer
    told = read_json(tokenizer_folder / "manifest.json")
    before = _before(results, content)
    found = streams(plan_of(content, read_list(folder / "rows.json"), told, before), told["vocabulary"])
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    for row in range(options.first, last + 1):
        stream = stream_of(found, options.stream, row)
        print(f"row {row:,} of stream {stream.place.stream}")
        for seen in documents(stream, row, tokenizer, results / "corpus"):
            print(shown(seen, options.characters))


def shown(seen: Seen, characters: int) -> str:
    """Return a document as a person reads it: where it is from, then its text on lines that are indented."""
    name = f" {seen.name}" if seen.name else ""
    begin, end = seen.ids
    part = "" if (begin, end) == (0, seen.of) else f", ids {begin:,} to {end - 1:,} of {seen.of:,}"
    text = seen.text[:characters] + ("…" if len(seen.text) > characters else "")
    lines = "\n".join(f"      {line}" for line in text.splitlines())
    return f"  {seen.source}{name} (document {seen.number:,} of {seen.shard.name}{part})\n{lines}"


def _phase(results: Path, name: str) -> tuple[PhaseSlice, Path]:
    run, _, phase = name.partition("/")
    path = results / "recipe" / "phase" / f"{run}.{phase}.json"
    if not path.is_file():
        known = sorted(other.stem.replace(".", "/", 1) for other in path.parent.glob("*.json"))
        raise UserError(f"{results} has no phase {name}; it has: {', '.join(known) or 'none'}.")
    return read_slice(path, PhaseSlice), results / "runs" / run / phase


def _before(results: Path, content: PhaseSlice) -> Position | None:
    """Return where the phase before ended, None if there is none."""
    recipe = read_recipe(results / "recipe" / "recipe.json")
    if (previous := previous_phase(recipe, content.run, content.phase)) is None:
        return None
    pointer = results / "runs" / previous[0] / previous[1] / "checkpoint.json"
    return Position.read(load_state(pointed_directory(pointer))["position"])
