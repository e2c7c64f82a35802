"""`alasin crate`: a finished run as one file that others can read, an RO-Crate: results, and how each was made."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from humanfriendly import format_size  # type: ignore[import-untyped]

from common.errors import UserError
from workflow.cli.parser import Parser
from workflow.cli.place import REPOSITORY
from workflow.provenance.contents import KINDS, Contents, read_contents
from workflow.provenance.crate import library, write_crate


def main() -> None:
    """Tell what goes in and what is only named, then write it."""
    parser = Parser(
        prog="alasin crate",
        description="Write a finished run as an RO-Crate, a zip file: models, how they were measured, the report, the "
        "recipe, the workflow, and which job made each file from what. Text and checkpoints are named by their "
        "checksums, and go in if they are asked for.",
    )
    parser.add_argument("file", metavar="FILE.zip", type=Path, help="what to write, such as finnish.crate.zip")
    parser.add_argument("--include", nargs="+", default=[], choices=list(KINDS), help="what goes in besides")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go in")
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    options = parser.parse_args()
    if options.file.suffix != ".zip":
        raise UserError(f"{options.file} does not end in .zip, by which an RO-Crate in one file is known.")
    library()
    contents = read_contents(options.directory, options.include)
    print(outline(contents, options.include), flush=True)
    if options.dry_run:
        print("nothing was written")
        return
    write_crate(options.file, options.directory, REPOSITORY, contents)
    print(f"{options.file} is written: {format_size(options.file.stat().st_size)}")


def outline(contents: Contents, include: Collection[str]) -> str:
    """Return how much goes in, and how much is only named, with what puts it in."""
    lines = []
    for kind in ("results", *KINDS):
        parts = contents.of([kind])
        where = "goes in" if kind in ("results", *include) else f"is named by checksum; --include {kind} puts it in"
        lines.append(f"{kind:11}  {len(parts):,} files, {format_size(sum(part.bytes for part in parts))}: {where}")
    return "\n".join(lines)
