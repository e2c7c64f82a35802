"""Files that a manifest lists by name, size and SHA-256, and whether they still are what was listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import sha256_of


def describe(path: Path) -> dict[str, Any]:
    """Return a file as a manifest beside it lists it: its `name`, its size in `bytes` and its `sha256`."""
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def problem_with(directory: Path, entry: Mapping[str, Any], checksum: bool = True) -> str | None:
    """Return what is wrong with a listed file, in words that begin with its path, or None if it is as it was listed.

    Args:
        directory: where the file lies.
        entry: as `describe` returns it; where it has no `bytes`, the checksum alone decides.
        checksum: whether to read the file and compare its checksum too, or only its size.

    Raises:
        KeyError: the entry lacks a name, or a checksum that is asked for.
    """
    path = directory / entry["name"]
    if not path.is_file():
        return f"{path} is missing"
    size = path.stat().st_size
    if size != entry.get("bytes", size):
        return f"{path} has {size} bytes, not {entry['bytes']} as when it was written"
    if checksum and sha256_of(path) != entry["sha256"]:
        return f"{path} does not match its checksum (the SHA-256 differs)"
    return None


def refuse_changed(directory: Path, entry: Mapping[str, Any], advice: str, checksum: bool = True) -> None:
    """Raise `UserError` with `advice`, what to do next, if there is a problem with a listed file."""
    if problem := problem_with(directory, entry, checksum):
        raise UserError(f"{problem}; {advice}.")
