"""Manifests of documents, and reading the texts they name: the only way a later stage reads text.

A part is a `.jsonl.zst` of documents; a manifest names the parts of each split, with their sizes and checksums.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from common.errors import UserError
from common.files import read_json
from common.listed import refuse_changed
from corpus.sources.zstd import open_zstd

FORMAT = 3
SPLITS = ("train", "validation", "test")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest of documents. Raises `UserError` if it is absent or something else."""
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not {"source", "splits"} <= set(manifest):
        raise UserError(
            f"{path} is not a manifest of documents of format {FORMAT}; delete it and run again to remake it."
        )
    return manifest


def manifests_by_source(paths: Iterable[Path], wanted: Collection[str], trained: str) -> dict[str, Path]:
    """Return source -> its manifest of documents, for the sources that are wanted, in their order.

    Args:
        paths: manifests of documents, of other sources too.
        wanted: names of sources.
        trained: what is trained on them, for the error.

    Raises:
        UserError: a path is no such manifest, two are of one source, or one of a wanted source is missing.
    """
    found: dict[str, Path] = {}
    for path in paths:
        source = read_manifest(path)["source"]
        if other := found.get(source):
            raise UserError(f"{other} and {path} are both of source {source}; give one of them.")
        found[source] = path
    if missing := [source for source in wanted if source not in found]:
        raise UserError(f"{trained} is trained on {', '.join(missing)} too; give it in --documents.")
    return {source: found[source] for source in wanted}


def split_texts(manifest_path: Path, split: str) -> Iterator[str]:
    """Yield the texts of a split ("train", "validation" or "test") in order.

    Each part is checked against the size and SHA-256 in the manifest before its first text is given.

    Raises:
        UserError: the manifest is absent or of another format, or a part is absent or not as it was written.
    """
    manifest = read_manifest(manifest_path)
    if split not in manifest["splits"]:
        raise UserError(f"{manifest_path} has no split {split!r}; it has {', '.join(SPLITS)}.")
    for part in manifest["splits"][split]["files"]:
        yield from (text for text, _ in part_documents(manifest_path, part))


def part_documents(manifest_path: Path, part: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the texts of one part, an entry of `files` in the manifest, in order, each with its number of words.

    Raises:
        UserError: the part is absent or not as it was written.
    """
    refuse_changed(manifest_path.parent, part, f"delete {manifest_path} and run again to remake it")
    with open_zstd(manifest_path.parent / part["name"]) as stream:
        for line in stream:
            record = orjson.loads(line)
            yield record["text"], record["words"]
