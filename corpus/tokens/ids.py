"""Token shards: the ids of a source's documents, stored once per tokenizer.

A shard holds the ids of one part of the documents, one document after the other without special tokens, in a file of
columns (`common.columns`): `ids`, uint16 where the vocabulary allows; `ends`, where each document ends in them; `words`
of each document; `unigram`, how often each id occurs. `manifest.json` names the shards of each split, in the order of
the documents; it is written last, and without it nothing beside it is valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.columns import open_columns
from common.errors import UserError
from common.files import read_json

FORMAT = 2
MANIFEST = "manifest.json"
COMMAND = "python -m corpus.tokens.shards"

Ids = NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True)
class Shard:
    """What a shard holds, as views of mapped memory: d documents, n ids, V rows of the embedding."""

    ids: Ids
    """[n]."""
    ends: NDArray[np.uint32]
    """uint32[d], where each document ends in `ids`."""
    words: NDArray[np.uint32]
    """uint32[d], words of each document, as `corpus.sampling.words.count_words` counts them."""
    unigram: NDArray[np.int64]
    """int64[V]."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64[d], ids of each document."""
        return np.diff(self.ends, prepend=np.uint32(0)).astype(np.int64)


def read_shards(manifest_path: Path) -> dict[str, Any]:
    """Read the manifest of a source's shards. Raises `UserError` if it is absent or of another format."""
    manifest = read_json(manifest_path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or "tokenizer" not in manifest:
        raise UserError(
            f"{manifest_path} is not a manifest of token shards of format {FORMAT}; delete it and run {COMMAND} again."
        )
    return manifest


def open_shard(path: Path) -> Shard:
    """Open a shard. Raises `UserError` if it is absent or damaged."""
    columns = open_columns(path)
    try:
        return Shard(columns["ids"], columns["ends"], columns["words"], columns["unigram"])
    except KeyError as error:
        raise UserError(f"{path} has no column {error}; delete it and run {COMMAND} again.") from None


def count_unigrams(manifest_path: Path, split: str) -> NDArray[np.int64]:
    """Return int64[padded vocabulary], how often each id occurs in a split."""
    manifest = read_shards(manifest_path)
    total = np.zeros(manifest["padded_vocabulary"], dtype=np.int64)
    for entry in manifest["splits"][split]["files"]:
        total += open_shard(manifest_path.parent / entry["name"]).unigram
    return total
