"""The files that a result consists of: itself, and what lies beside it that no other file fixes by a checksum.

A manifest lists what it speaks for with checksums, so that its own is enough. Models, tokenizers and starts are
directories as transformers keeps them: a declared file and others beside it. A phase's `checkpoint.json` names a
directory whose manifest lists weights and moments.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from workflow.provenance.checksums import Checksums

_WHOLE = (
    "results/models/*/config.json",
    "results/tokenizers/*/manifest.json",
    "results/starts/*/manifest.json",
    "results/retrieval/*/*/result.json",
)
"""Declared files that stand for all of their directory."""
_WORKING = ("trainer",)
"""Folders in such a directory that hold no result."""


def result_files(directory: Path, output: str, others: Container[str], checksums: Checksums) -> list[dict[str, Any]]:
    """Return `name`, `bytes` and `sha256` of the files of a result, the declared one first, the others sorted.

    Args:
        directory: Snakemake's working directory.
        output: the declared file, or folder, whose files are all of it.
        others: outputs of other rules, which are results of their own.
        checksums: known and new ones.
    """
    path = directory / output
    if path.is_dir():
        names = sorted(str(Path(output, file.relative_to(path))) for file in path.rglob("*") if file.is_file())
        return [_described(directory, name, checksums) for name in names]
    if not path.is_file():
        return []
    names = [output]
    if any(Path(output).match(pattern) for pattern in _WHOLE):
        beside = (file.relative_to(path.parent) for file in path.parent.rglob("*") if file.is_file())
        own = (str(Path(output).parent / file) for file in beside if file.parts[0] not in _WORKING)
        names += sorted(name for name in own if name != output and name not in others)
    files = [_described(directory, name, checksums) for name in names]
    return files + (_of_checkpoint(directory, Path(output)) if path.name == "checkpoint.json" else [])


def _described(directory: Path, name: str, checksums: Checksums) -> dict[str, Any]:
    return {"name": name, "bytes": (directory / name).stat().st_size, "sha256": checksums.of(name)}


def _of_checkpoint(directory: Path, pointer: Path) -> list[dict[str, Any]]:
    """Return the files of the checkpoint that a pointer names, by its manifest; none where that is not there."""
    try:
        folder = pointer.parent / read_json(directory / pointer)["checkpoint"]
        listed = read_json(directory / folder / "manifest.json")["files"]
        return [{"name": str(folder / one["name"]), "bytes": one["bytes"], "sha256": one["sha256"]} for one in listed]
    except (UserError, OSError, KeyError, TypeError):
        return []
