"""Rows for tests: shards of given ids, and an index over them, as the stages write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common.columns import whole, write_columns
from common.files import write_json
from common.listed import describe
from corpus.rows.index import RowSet, make, write_list
from corpus.sampling.documents import SPLITS
from corpus.tokens.ids import FORMAT
from recipe.needs import Rows

TOKENIZER = "t"


def write_shards(
    folder: Path,
    source: str,
    language: str,
    documents: Mapping[str, Sequence[Sequence[int]]],
    *,
    padded_vocabulary: int = 1000,
    fingerprint: str = "",
) -> Path:
    """Write shards of documents, split -> their ids, below `folder`/shards; return their manifest."""
    directory = folder / "shards" / TOKENIZER / source
    splits = {}
    for split in SPLITS:
        path = directory / f"{split}-00000.ids"
        some = documents.get(split, [])
        sizes = np.array([len(document) for document in some], dtype=np.int64)
        ids = np.concatenate([np.zeros(0, np.uint16), *(np.array(document, np.uint16) for document in some)])
        columns = {
            "ids": whole(ids),
            "ends": whole(np.cumsum(sizes).astype(np.uint32)),
            "words": whole(sizes.astype(np.uint32)),
            "unigram": whole(np.bincount(ids, minlength=padded_vocabulary).astype(np.int64)),
        }
        write_columns(path, columns)
        splits[split] = {"files": [{**describe(path), "documents": len(sizes), "ids": len(ids)}] if some else []}
    content = {"format": FORMAT, "source": source, "language": language, "tokenizer": fingerprint, "splits": splits}
    write_json(directory / "manifest.json", content | {"padded_vocabulary": padded_vocabulary})
    return directory / "manifest.json"


def index_rows(folder: Path, wanted: Sequence[tuple[str, str, str]], output: Path | None = None) -> list[RowSet]:
    """Make sets of rows, (source, split, rowset), over those shards, and list them in `output`."""
    rows = [Rows(TOKENIZER, *one) for one in wanted]
    sets = make(rows, folder / "shards", folder / "rows", workers=1)
    if output:
        write_list(sets, output)
    return sets
