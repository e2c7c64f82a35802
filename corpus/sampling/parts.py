"""Parts: what is whole after a kill, and what there still is to do.

A unit of input (`corpus.sources.spans`) becomes one part, or several if it holds more text than was thought. A part is
a file for each split that has documents, and then its *record*, written last: what was read and where it ends, the
account, the files with their sizes and checksums, and the *key* of what it was made from. A part counts if its record
has the key of the present attempt and its files are there. So killed at any moment, a source keeps what is finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from common.listed import problem_with
from corpus.sampling.account import Account
from corpus.sampling.documents import FORMAT, SPLITS
from corpus.sources.readers import Place, Span
from recipe.slices.types import SourceSlice

RECORD = "part"


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: part `number` of unit `unit`, both from 0."""

    unit: int
    number: int
    key: str
    span: int
    """Index of the span of the unit that the part ends in, and where in it."""
    place: Place
    last: bool
    """Whether the unit ends with this part."""
    frames: tuple[int, int] | None
    """The frames of that span, if it is of a Zstandard file: `corpus.sources.reading.SpanReader.frames`."""
    account: Account

    def write(self, directory: Path) -> None:
        """Write the record of the part, whose files are there."""
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        record |= {"place": asdict(self.place), "account": self.account.record()}
        write_json(directory / part_name(RECORD, self.unit, self.number, "json"), record)


def part_name(what: str, unit: int, number: int, suffix: str = "parquet") -> str:
    """Return the name of a file of a part: of its split `what`, or of its record."""
    later = f"-{number:03d}" if number else ""
    return f"{what}-{unit:05d}{later}.{suffix}"


def key_of(source: SourceSlice, unit: Iterable[Span], part_bytes: int) -> str:
    """Return a digest of all that decides a part: the format, the slice, and the unit with its files' sizes and times.

    `name`, `files` and `max_rejected` of the slice are left out: a name decides nothing, the unit says which files, and
    the share of rejects is judged when all parts are there.
    """
    slice_ = source.model_dump(mode="json", exclude={"name", "files", "max_rejected"})
    decides = [FORMAT, slice_, [asdict(span) for span in unit], part_bytes]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def finished_parts(directory: Path, unit: int, key: str) -> list[Part]:
    """Return the parts of a unit, from its first, that have the key and whose files have the sizes that they had."""
    parts: list[Part] = []
    while not parts or not parts[-1].last:
        part = _read_part(directory, unit, len(parts), key)
        if part is None:
            break
        parts.append(part)
    return parts


def _read_part(directory: Path, unit: int, number: int, key: str) -> Part | None:
    try:
        record: dict[str, Any] = read_json(directory / part_name(RECORD, unit, number, "json"))
        if record["key"] != key:
            return None
        record["place"] = Place(**record["place"])
        record["frames"] = record["frames"] and tuple(record["frames"])
        record["account"] = Account.from_record(record["account"])
        part = Part(**record)
    except (UserError, KeyError, TypeError):
        return None  # Absent, or of another make.
    files = [entry for split in SPLITS for entry in part.account.files[split]]
    if any(problem_with(directory, entry, checksum=False) for entry in files):
        return None
    return part


def remove_others(directory: Path, parts: Iterable[Part]) -> None:
    """Remove every file of a part, whole or staged, that is of none of these."""
    kept = {part_name(RECORD, part.unit, part.number, "json") for part in parts}
    kept |= {entry["name"] for part in parts for split in SPLITS for entry in part.account.files[split]}
    for what, suffix in ((RECORD, "json"), *((split, "parquet") for split in SPLITS)):
        for pattern in (f"{what}-*.{suffix}", f".{what}-*.{suffix}.*.part"):
            for path in directory.glob(pattern):
                if path.name not in kept:
                    path.unlink(missing_ok=True)
