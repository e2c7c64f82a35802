"""The raw files that a source was sampled from: what they were, so that a change is told and an absence is none.

`origins.json`, beside the manifest of documents, is written before it. A finished source needs its raw files no more:
they may be moved or deleted. Where they are there and are others than they were, whoever is about to go on must know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.files import read_json, write_json
from recipe.slices.files import to_json
from recipe.slices.types import SourceSlice

ORIGINS = "origins.json"
FORMAT = 1
SAMPLE = 1 << 20
"""Bytes at the beginning, in the middle and at the end of a file that its fingerprint is of."""


def fingerprint(path: Path) -> str:
    """Return BLAKE2b (128 bits, hexadecimal) of a file's size and of `SAMPLE` bytes at its two ends and its middle."""
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open(path, "rb") as stream:
        for start in sorted({0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)}):
            stream.seek(start)
            digest.update(stream.read(SAMPLE))
    return digest.hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """Return what is kept of a raw file: `path` as it was given, `bytes`, `modified` (ns) and `fingerprint`."""
    status = path.stat()
    return {
        "path": str(path),
        "bytes": status.st_size,
        "modified": status.st_mtime_ns,
        "fingerprint": fingerprint(path),
    }


def write_origins(manifest: Path, files: Iterable[Path], digest: str) -> None:
    """Write what a source was sampled from beside its manifest, which is still to be written.

    Args:
        manifest: of the source's documents.
        files: that were read.
        digest: `slice_digest` of what decided which documents were kept.
    """
    content = {"format": FORMAT, "slice": digest, "files": [describe(path) for path in files]}
    write_json(manifest.with_name(ORIGINS), content)


def slice_digest(source: SourceSlice) -> str:
    """Return SHA-256 of all that a slice says of a source, but for the source's name."""
    return hashlib.sha256(to_json(source.model_copy(update={"name": ""})).encode()).hexdigest()


def sampled_by(manifest: Path, digest: str) -> bool:
    """Return whether a source has been sampled, by the slice of this digest; if so, it needs its raw files no more."""
    path = manifest.with_name(ORIGINS)
    return manifest.is_file() and path.is_file() and read_json(path).get("slice") == digest


def same_source(manifest: Path, digest: str) -> list[Path]:
    """Return the manifests of the same source under other names, which lie beside the folder of a source's own."""
    others = sorted(manifest.parent.parent.glob(f"*/{manifest.name}"))
    return [other for other in others if other.parent.name != manifest.parent.name and sampled_by(other, digest)]


def differences(manifest: Path, present: Iterable[str]) -> list[str]:
    """Return in words how the raw files that are there differ from those that a finished source was sampled from.

    A file that is not there any more is no difference, nor is one that was only touched or copied.

    Args:
        manifest: of the source's documents, which `sampled_by` has found.
        present: the source's files that are there.
    """
    recorded = {entry["path"]: entry for entry in read_json(manifest.with_name(ORIGINS))["files"]}
    found = []
    for name in present:
        if (entry := recorded.get(name)) is None:
            found.append(f"{name} was not there")
        elif problem := _difference(Path(name), entry):
            found.append(f"{name} {problem}")
    return found


def _difference(path: Path, entry: dict[str, Any]) -> str | None:
    status = path.stat()
    if status.st_size != entry["bytes"]:
        return f"had {entry['bytes']:,} bytes and has {status.st_size:,}"
    if status.st_mtime_ns == entry["modified"] or fingerprint(path) == entry["fingerprint"]:
        return None
    return f"was replaced by {'an older' if status.st_mtime_ns < entry['modified'] else 'a newer'} one"
