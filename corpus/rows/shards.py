"""A split of a source becomes packed token rows on disk: the last stage before training.

The way of a document: `split_documents` streams it -> documents outside the range of words are passed over ->
`TextEncoder` gives its ids -> `cut_documents` cuts it into pieces -> the *window*, a bounded buffer of pieces, fills ->
`pack` places them in rows -> the fullest rows are shuffled and written in whole record batches, the pieces of the rest
wait in the next window -> at the end the last window is written with what is left.

Every token of every document in the range lies in exactly one row. The same documents and tokenizer give the same
bytes, with any number of threads: windows end at token counts, and a row's place depends on (source, split, length).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError, run_command
from common.files import atomic_file, write_json
from common.listed import describe
from corpus.rows.packing import SPECIALS, Pieces, Rows, cut_documents, pack
from corpus.rows.permutation import Permutation, derive_key
from corpus.rows.store import (
    BATCH_ROWS,
    FORMAT,
    RowBatch,
    remove_rows,
    write_rows,
)
from corpus.sampling.documents import read_manifest, split_documents
from corpus.sampling.filters import SPLITS
from corpus.tokens.comparing import COMPARED_TEXTS, compared
from corpus.tokens.encoding import TextEncoder, read_encoder
from corpus.tokens.special import CLS, SEP
from recipe.schema import Engine

COMMAND = "python -m corpus.rows.shards"
WINDOW_TOKENS = 1 << 24
"""Tokens that are packed together, or `WINDOW_ROWS` rows of them where that is more: the bound of the memory."""
WINDOW_ROWS = 2 * BATCH_ROWS
MAX_LENGTH = 65_535

RowType = type[np.uint16] | type[np.uint32]


@dataclass(frozen=True)
class ShardPlan:
    """Which documents become rows, and how long the rows are."""

    split: str
    length: int
    """Slots of a row."""
    min_words: int = 0
    max_words: int | None = None
    """Exclusive; none means no upper end."""

    def takes(self, words: int) -> bool:
        """Return whether a document of so many words is wanted."""
        return self.min_words <= words and (self.max_words is None or words < self.max_words)


@dataclass
class Totals:
    """What has been read and written so far."""

    unigram: NDArray[np.int64]
    """int64[padded_vocabulary], how often each id was written; [CLS] and [SEP] do not count."""
    text_bytes: int = 0
    documents: int = 0
    cut_documents: int = 0
    rows: int = 0
    tokens: int = 0
    pieces: int = 0

    def add(self, batch: RowBatch) -> None:
        """Count rows that are written."""
        self.rows += batch.rows
        self.tokens += len(batch.tokens)
        self.pieces += len(batch.lengths)
        self.unigram += np.bincount(batch.tokens, minlength=len(self.unigram))
        self.unigram[[CLS, SEP]] = 0


@dataclass
class Window:
    """Ids and pieces that wait to be packed."""

    length: int
    carried: Pieces
    """Pieces of rows that an earlier window did not write. Their ids come first in `ids`."""
    ids: list[NDArray[Any]]
    counts: list[int] = field(default_factory=list)
    """Ids of each document that came since."""
    tokens: int = 0
    """Ids that came since."""

    def add(self, ids: NDArray[Any]) -> None:
        """Add the ids of a document."""
        self.ids.append(ids)
        self.counts.append(len(ids))
        self.tokens += len(ids)

    def pieces(self) -> Pieces:
        """Return all pieces; their `start` is a position in `ids` put together."""
        carried = self.carried
        fresh = cut_documents(np.array(self.counts, dtype=np.int64), self.length)
        return Pieces(
            np.concatenate([carried.start, fresh.start + carried.count.sum()]),
            np.concatenate([carried.count, fresh.count]),
            np.concatenate([carried.cut, fresh.cut]),
        )

    def remainder(self, pieces: Pieces, rows: Rows, ids: NDArray[Any]) -> Window:
        """Return the next window, which begins with the pieces of `rows`, in the order of their ids."""
        left = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        left = left[np.argsort(pieces.start[left])]
        count = pieces.count[left]
        parts = [ids[start : start + many] for start, many in zip(pieces.start[left], count, strict=True)]
        # Put together, so that the few ids that are left do not keep the memory of the whole window.
        return Window(
            self.length, Pieces(np.cumsum(count) - count, count, pieces.cut[left]), [np.concatenate([ids[:0], *parts])]
        )


def packed_batches(
    plan: ShardPlan, key: bytes, documents: Iterator[tuple[str, NDArray[np.uint32]]], dtype: RowType, totals: Totals
) -> Iterator[RowBatch]:
    """Yield the rows of documents, given as (text, ids), in batches of `BATCH_ROWS`; `totals` counts along."""
    window = Window(plan.length, cut_documents(np.zeros(0, dtype=np.int64), plan.length), [])
    windows = 0
    more = True
    while more:
        more = _fill_window(window, documents, dtype, totals)
        packed = pack(window.pieces(), plan.length)
        totals.cut_documents += packed.newly_cut
        ids = np.concatenate([np.zeros(0, dtype=dtype), *window.ids])
        # The fullest rows come first: what cannot fill a batch waits for pieces that suit it better.
        written = len(packed.rows) // BATCH_ROWS * BATCH_ROWS if more else len(packed.rows)
        order = Permutation(written, derive_key(key.hex(), windows))(np.arange(written))
        for first in range(0, written, BATCH_ROWS):
            batch = row_batch([packed.rows[row] for row in order[first : first + BATCH_ROWS]], packed.pieces, ids)
            totals.add(batch)
            yield batch
        window = window.remainder(packed.pieces, packed.rows[written:], ids)
        windows += 1


def _fill_window(
    window: Window, documents: Iterator[tuple[str, NDArray[np.uint32]]], dtype: RowType, totals: Totals
) -> bool:
    """Add documents until the window is full; return whether it became full before they ended."""
    full = max(WINDOW_TOKENS, WINDOW_ROWS * window.length)
    for text, ids in documents:
        totals.documents += 1
        totals.text_bytes += len(text.encode())
        totals.cut_documents += len(ids) > window.length - SPECIALS
        window.add(ids.astype(dtype))
        if window.tokens >= full:
            return True
    return False


def row_batch(rows: Rows, pieces: Pieces, ids: NDArray[Any]) -> RowBatch:
    """Return the batch of `rows`, whose pieces lie in the buffer `ids`."""
    order = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    piece_starts = np.cumsum([0, *map(len, rows)])
    sizes = pieces.sizes[order]
    row_starts = np.concatenate([[0], np.cumsum(sizes)])[piece_starts]
    return RowBatch(join_pieces(ids, pieces.start[order], pieces.count[order]), row_starts, sizes, piece_starts)


def row_type(encoder: TextEncoder) -> RowType:
    """Return the smallest type that holds every id of the padded vocabulary."""
    return np.uint16 if encoder.padded_vocabulary <= 1 << 16 else np.uint32


def join_pieces(ids: NDArray[Any], start: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[Any]:
    """Return [CLS], ids[start : start + count], [SEP] of each piece, one after the other, in the type of `ids`."""
    ends = np.cumsum(count + SPECIALS)
    joined = np.empty(int(ends[-1]), dtype=ids.dtype)
    joined[ends - count - SPECIALS] = CLS
    joined[ends - 1] = SEP
    contents = np.cumsum(count)
    number = np.arange(int(contents[-1]))
    source = number + np.repeat(start - (contents - count), count)
    target = number + np.repeat(SPECIALS * np.arange(len(count)) + 1, count)
    joined[target] = ids[source]
    return joined


def make(plan: ShardPlan, documents: Path, tokenizer: Path, output: Path, engine: Engine = "tokie") -> dict[str, Any]:
    """Write the rows beside `output`, then `output`, and return the index.

    Raises:
        UserError: the documents or the tokenizer are absent or not as they were written, or the engine errs.
    """
    manifest = read_manifest(documents)
    encoder = read_encoder(tokenizer, engine)
    remove_rows(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    totals = Totals(np.zeros(encoder.padded_vocabulary, dtype=np.int64))
    texts = (text for text, words in split_documents(documents, plan.split) if plan.takes(words))
    encoded = encoder.encode(texts)
    if engine != "tokenizers":
        every = max(1, manifest["splits"][plan.split]["documents"] // COMPARED_TEXTS)
        encoded = compared(encoded, encoder, read_encoder(tokenizer, "tokenizers"), every)
    key = derive_key(manifest["source"], plan.split, plan.length)
    files = write_rows(output.parent, packed_batches(plan, key, encoded, row_type(encoder), totals))
    with atomic_file(output.parent / "unigram.npy") as stream:
        np.save(stream, totals.unigram, allow_pickle=False)
    index = {
        "format": FORMAT,
        "source": manifest["source"],
        "language": manifest["language"],
        "split": plan.split,
        "length": plan.length,
        "min_words": plan.min_words,
        "max_words": plan.max_words,
        "rows": totals.rows,
        "tokens": totals.tokens,
        "pieces": totals.pieces,
        "documents": totals.documents,
        "cut_documents": totals.cut_documents,
        "text_bytes": totals.text_bytes,
        "fill": totals.tokens / (totals.rows * plan.length) if totals.rows else 0.0,
        "dtype": np.dtype(row_type(encoder)).name,
        "tokenizer": encoder.fingerprint,
        "files": files,
        "unigram": describe(output.parent / "unigram.npy"),
    }
    write_json(output, index)
    return index


def _tell(index: dict[str, Any], seconds: float) -> None:
    bin_name = ""
    if index["min_words"] or index["max_words"] is not None:
        bin_name = f" of {index['min_words']:,} to {index['max_words'] or 'any number of'} words"
    print(f"{index['source']} {index['split']}: {index['documents']:,} documents{bin_name}")
    print(
        f"  {index['rows']:,} rows of {index['length']:,}: {index['tokens']:,} tokens in {index['pieces']:,} pieces, "
        f"{index['fill']:.2%} of the slots; {index['cut_documents']:,} documents were cut"
    )
    print(f"  {index['text_bytes'] / 1e6:,.2f} MB of text at {index['text_bytes'] / 1e6 / seconds:,.2f} MB/s")


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Tokenize a split of a source and pack it into rows, in memory-mapped Arrow files."
    )
    parser.add_argument("--documents", type=Path, required=True, help="manifest of the source's documents")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest.json or tokenizer.json of a tokenizer")
    parser.add_argument("--split", choices=SPLITS, required=True, help="which documents")
    parser.add_argument("--length", type=int, required=True, help="slots of a row, in tokens")
    parser.add_argument("--min-words", type=int, default=0, help="fewest words of a document (default: 0)")
    parser.add_argument("--max-words", type=int, help="only documents of fewer words than this (default: no limit)")
    parser.add_argument("--engine", choices=get_args(Engine), default="tokie", help="see the recipe (default: tokie)")
    parser.add_argument("--output", type=Path, required=True, help="index.json to write; the rows go beside it")
    arguments = parser.parse_args()
    if not 8 <= arguments.length <= MAX_LENGTH:
        raise UserError(f"--length is {arguments.length}; give 8 to {MAX_LENGTH:,} tokens.")
    if arguments.max_words is not None and arguments.max_words <= arguments.min_words:
        raise UserError(f"--max-words {arguments.max_words} leaves no document of --min-words {arguments.min_words}.")
    plan = ShardPlan(arguments.split, arguments.length, arguments.min_words, arguments.max_words)
    begin = time.perf_counter()
    index = make(plan, arguments.documents, arguments.tokenizer, arguments.output, arguments.engine)
    _tell(index, time.perf_counter() - begin)


if __name__ == "__main__":
    run_command(main)
