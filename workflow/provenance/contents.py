"""What an RO-Crate of a finished run holds, from the records of its results: files that go in, files that are named.

Files that are named only, by checksum, are raw text, what was made of it, and checkpoints with their moments: large,
and text may belong to somebody. Each kind goes in where it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from workflow.provenance.checksums import Checksums
from workflow.provenance.records import FOLDER, read_record

LAST = "results/report.html"
"""The result that is made last: a run is finished where it has a record."""
KINDS = {
    "text": ("corpus", "duplicates", "words", "shards", "rows", "questions", "hub"),
    "checkpoints": ("runs/*/*/checkpoints", "retrieval"),
}
"""Kind of files that go in only where asked for -> its folders below results/; text is also what lies elsewhere."""
_NAMED = 3
"""Files that an error names, at most."""


@dataclass(frozen=True)
class Part:
    """A file of the run."""

    name: str
    """Relative to the working directory."""
    bytes: int
    sha256: str
    kind: str
    """A key of `KINDS`, or `results`."""


@dataclass(frozen=True)
class Contents:
    """What is known of a run."""

    records: list[dict[str, Any]]
    """Of all results, in the order in which they were made."""
    parts: dict[str, Part]
    """Name -> file, of results and inputs whose checksum is known."""
    include: Collection[str]
    """Kinds that go in besides results."""

    def goes_in(self, part: Part) -> bool:
        """Return whether a file goes in; else it is named by its checksum."""
        return part.kind == "results" or part.kind in self.include

    def of(self, kinds: Iterable[str]) -> list[Part]:
        """Return the files of some kinds."""
        wanted = set(kinds)
        return [part for part in self.parts.values() if part.kind in wanted]


def read_contents(directory: Path, include: Collection[str]) -> Contents:
    """Return what an RO-Crate of the run in Snakemake's working directory holds.

    Raises:
        UserError: the run is not finished, a record is damaged, or a file that goes in is not what is on record.
    """
    folder = directory / FOLDER
    # A result's record lies as deep as the result; what lies above all of them is of another kind.
    outputs = [path.relative_to(folder).as_posix().removesuffix(".json") for path in folder.glob("*/**/*.json")]
    found = [read_record(directory, output) for output in outputs]
    records = sorted((one for one in found if one), key=lambda one: (one["seconds_since_epoch"], one["file"]))
    if LAST not in {one["file"] for one in records}:
        raise UserError(f"{directory} holds no finished run: nothing is on record of {LAST}; `alasin run` finishes it.")
    checksums = Checksums(directory)
    parts: dict[str, Part] = {}
    for record in records:
        inputs = [one for given in record["inputs"] for one in (given, *given.get("files", []))]
        # A result's own record comes before what another one says of it as an input.
        for one in (*record["files"], *(given for given in inputs if given["name"] not in parts)):
            if "sha256" in one and not Path(one["name"]).is_absolute():
                parts[one["name"]] = Part(one["name"], one["bytes"], one["sha256"], kind_of(one["name"]))
    if "text" in include:
        parts |= _text(directory, checksums, parts)
    contents = Contents(records, parts, include)
    _refuse_changed(directory, contents, checksums)
    checksums.save()
    return contents


def kind_of(name: str) -> str:
    """Return the kind of a file by its name."""
    path = Path(name)
    for kind, folders in KINDS.items():
        for folder in folders:
            depth = 1 + len(Path(folder).parts)
            if len(path.parts) > depth and Path(*path.parts[:depth]).match(f"results/{folder}"):
                return kind
    return "results" if path.parts[0] == "results" else "text"


def _text(directory: Path, checksums: Checksums, known: Collection[str]) -> dict[str, Part]:
    """Return the files of text that manifests list, which have no record of their own."""
    found = {}
    for folder in KINDS["text"]:
        for path in sorted((directory / "results" / folder).rglob("*")):
            name = path.relative_to(directory).as_posix()
            if path.is_file() and name not in known:
                found[name] = Part(name, path.stat().st_size, checksums.of(name), "text")
    return found


def _refuse_changed(directory: Path, contents: Contents, checksums: Checksums) -> None:
    changed = []
    for part in contents.parts.values():
        if contents.goes_in(part):
            try:
                if checksums.of(part.name) == part.sha256:
                    continue
            except OSError:
                pass
            changed.append(part.name)
    if changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise UserError(
            f"{', '.join(changed[:_NAMED])}{more} in {directory} are gone, or not what is on record; `alasin run` "
            "makes again what is gone. Where a file was changed by hand, delete it first."
        )
