"""A record of how each result was made, written when Snakemake ends, from what it has noted of each output itself.

    results/provenance/{output}.json

It holds the checksums of all files of the result and of its inputs; a model is its weights too.
What a kill keeps from being written is written at the end of the next call. Inputs are hashed then, and one that is
younger than the result is told as such.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from workflow.noted import read_noted
from workflow.provenance.checksums import Checksums
from workflow.provenance.files import result_files
from workflow.provenance.invocations import environment_digest, invocation_at, read_invocations

FORMAT = 2
FOLDER = Path("results/provenance")
HASHED_BYTES = 1 << 30
"""Of a larger input, size and time stand for the content: it is raw text, of which the manifest after it knows more."""
SLICES = "results/recipe/"
SLICE_BYTES = 1 << 16
"""A slice of the recipe that is no larger stands in the record as it is."""


def record_path(directory: Path, output: str) -> Path:
    """Return where the record of an output is."""
    return directory / FOLDER / f"{output}.json"


def write_records(directory: Path) -> int:
    """Write the records that are missing or older than their results; return how many."""
    invocations, checksums = read_invocations(directory), Checksums(directory)
    described = cache(lambda name: _described(directory, name, outputs, checksums))
    written, every = 0, list(read_noted(directory))
    outputs = {noted.output for noted in every}
    for noted in every:
        path = record_path(directory, output := noted.output)
        # Results lie below the working directory; whatever else is noted is no business of a record.
        if not (directory / output).exists() or Path(output).is_absolute() or ".." in Path(output).parts:
            continue
        if path.exists() and _ended(path) == noted.ended:
            continue
        invocation = invocation_at(invocations, noted.began)
        inputs = [described(name) for name in noted.inputs]
        write_json(
            path,
            {
                "format": FORMAT,
                "file": output,
                "rule": noted.rule,
                "began": _iso(noted.began),
                "ended": _iso(noted.ended),
                "seconds_since_epoch": noted.ended,
                "command": noted.command,
                "files": result_files(directory, output, outputs, checksums),
                "inputs": [
                    {key: value for key, value in one.items() if key not in ("modified", "slice")}
                    | ({"younger": True} if one.get("modified", 0) > noted.ended else {})
                    for one in inputs
                ],
                "slices": {one["name"]: one["slice"] for one in inputs if "slice" in one},
                "call": {key: invocation.get(key) for key in ("command", "commit", "dirty", "python", "machine")}
                | {"environment_sha256": environment_digest(invocation) if invocation else None}
                | ({"names": invocation["names"]} if "names" in invocation else {}),
            },
        )
        written += 1
    checksums.save()
    return written


def read_record(directory: Path, output: str) -> dict[str, Any] | None:
    """Return the record of an output, or None if there is none. Raises `UserError` if it is damaged."""
    path = record_path(directory, output)
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is no record of format {FORMAT}; delete it, and the next run writes it anew.")
    return content


def _ended(path: Path) -> float | None:
    try:
        content = read_json(path)
    except UserError:
        return None
    return content.get("seconds_since_epoch") if isinstance(content, dict) and content.get("format") == FORMAT else None


def _described(directory: Path, name: str, outputs: Container[str], checksums: Checksums) -> dict[str, Any]:
    """Return an input's name, size and SHA-256, or its time where it is large; a slice's content; a result's files."""
    path = directory / name
    try:
        found = path.stat()
    except OSError:
        return {"name": name, "gone": True}
    facts: dict[str, Any] = {"name": name, "bytes": found.st_size, "modified": found.st_mtime}
    if found.st_size > HASHED_BYTES or not path.is_file():
        return facts | {"time": _iso(found.st_mtime)}
    facts["sha256"] = checksums.of(name)
    if name.startswith(SLICES) and found.st_size <= SLICE_BYTES:
        facts["slice"] = read_json(path)
    beside = result_files(directory, name, outputs, checksums)[1:] if name in outputs else []
    return facts | ({"files": beside} if beside else {})


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
