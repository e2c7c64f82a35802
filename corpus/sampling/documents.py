"""Manifests of documents, and reading the texts they name: the only way a later stage reads text.

A part is a Parquet file of documents; a manifest names the parts of each split, with their sizes and checksums, and
what is cut out of them (`corpus.sampling.cuts`). There are two of each source: `sampled.json` of what its own steps
leave, and `manifest.json` of what is left when all sources have been compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common.errors import UserError
from common.files import read_json
from common.listed import refuse_changed
from corpus.sampling.arrow import strings_of
from corpus.sampling.cuts import CUTS, Cuts, cuts_of, documents_digest
from corpus.sampling.words import count_words

FORMAT = 5
SPLITS = ("train", "validation", "test")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.large_string(), nullable=False),
        pa.field("words", pa.uint32(), nullable=False),
        pa.field("fields", pa.large_string()),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)
"""Of a part."""


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest of documents. Raises `UserError` if it is absent or something else."""
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not {"source", "splits"} <= set(manifest):
        raise UserError(
            f"{path} is not a manifest of documents of format {FORMAT}; delete it and run again to remake it."
        )
    return manifest


def text_digest(manifest: Mapping[str, Any]) -> str:
    """Return SHA-256 of what a manifest lists, but for the name of its source: of the same documents it is the same."""
    parts = [[documents_digest(entry) for entry in manifest["splits"][split]["files"]] for split in SPLITS]
    return hashlib.sha256(json.dumps([manifest["language"], parts]).encode()).hexdigest()


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

    Raises:
        UserError: the manifest is absent or of another format, or a part is absent or not as it was written.
    """
    manifest = read_manifest(manifest_path)
    if split not in manifest["splits"]:
        raise UserError(f"{manifest_path} has no split {split!r}; it has {', '.join(SPLITS)}.")
    for part in manifest["splits"][split]["files"]:
        for texts in part_texts(manifest_path, part):
            yield from texts.strings()


@dataclass(frozen=True)
class Texts:
    """Texts of documents that follow one another, some megabytes of them."""

    utf8: pa.LargeStringArray
    words: NDArray[np.uint32]
    """uint32[d], of each text."""

    def strings(self) -> list[str]:
        """Return the texts."""
        strings: list[str] = self.utf8.to_pylist()
        return strings

    def encoded(self) -> list[bytes]:
        """Return the texts in UTF-8."""
        encoded: list[bytes] = self.utf8.cast(pa.large_binary()).to_pylist()
        return encoded


def part_texts(manifest_path: Path, part: Mapping[str, Any]) -> Iterator[Texts]:
    """Yield the texts of one part, an entry of `files` in the manifest, in order and without what is cut out of them.

    The part and its cuts are checked against the sizes and SHA-256 in the manifest before the first text is given.

    Raises:
        UserError: the part or its cuts are absent or not as they were written.
    """
    directory, advice = manifest_path.parent, f"delete {manifest_path} and run again to remake it"
    if CUTS in part:
        refuse_changed(directory, part[CUTS], advice)
    cuts, first = cuts_of(directory, part), 0
    for columns in part_columns(manifest_path, part, ["text", "words"]):
        # `to_numpy` would import pandas where there is one.
        words = np.frombuffer(columns["words"].buffers()[1], np.uint32, columns.num_rows)
        last = first + columns.num_rows
        texts = Texts(columns["text"], words)
        yield _without(texts, cuts.within(first, last)) if cuts else texts
        first = last


def part_columns(manifest_path: Path, part: Mapping[str, Any], names: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of all documents of one part as it was written, row group by row group. Raises as `part_texts`."""
    refuse_changed(manifest_path.parent, part, f"delete {manifest_path} and run again to remake it")
    with pq.ParquetFile(manifest_path.parent / part["name"], memory_map=True) as file:
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, columns=names, use_threads=False)
            yield from columns.combine_chunks().to_batches()


def _without(texts: Texts, cuts: Cuts) -> Texts:
    """Return what cuts leave of texts; those of which nothing is left are texts no more."""
    if not len(cuts.documents):
        return texts
    left, changed = cuts.apply(texts.encoded())
    words = texts.words.copy()
    words[changed] = count_words([left[document] for document in changed])
    there = np.array([bool(text) for text in left])
    return Texts(strings_of([text for text in left if text]), words[there])
