"""What every benchmark shares: a text, a fair clock, and a table.

The text is a directory of documents or, by default, what the demo makes from Python packages; each table says which.
A machine that others use too is fast now and slow then. So contestants take turns: each round runs all of them, a
ratio is taken within a round, and the median over the rounds is told. Measured is processor time, of all threads
together, which waiting for a core does not lengthen; torch computes on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from common.errors import UserError
from corpus.demo.package_text import COLLECTIONS
from corpus.rows.packing import Packed, pack
from corpus.rows.store import put_together
from corpus.sources.readers import Document, read_documents, source_files
from corpus.tokens import bpe
from corpus.tokens.encoding import TextEncoder
from corpus.tokens.engines import open_engine

DEMO_TEXT = ("words-fi", "words-sv", "words-en", "pydoc-en")
PATTERNS = ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.parquet")


@dataclass(frozen=True)
class Text:
    """Documents, and what to call them below a table."""

    name: str
    documents: list[str]

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return sum(len(document.encode()) for document in self.documents)


@dataclass(frozen=True)
class PackedRow:
    """A packed row."""

    tokens: NDArray[np.int64]
    """int64[n]."""
    lengths: list[int]
    """Tokens of each piece; they sum to n."""


def parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes: `--data` and `--rounds`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--data", type=Path, help="directory of .jsonl, .jsonl.zst, .jsonl.gz or .parquet (default: the demo's text)"
    )
    made.add_argument("--rounds", type=int, default=rounds, help="times that all take turns (default: %(default)s)")
    return made


def read_text(directory: Path | None) -> Text:
    """Return the documents of a directory, or the demo's.

    Raises:
        UserError: the directory holds no file of a format that is read, or a file is damaged.
    """
    if directory is None:
        documents = [record["text"] for name in DEMO_TEXT for record in COLLECTIONS[name]()]
        name = f"the demo's {', '.join(DEMO_TEXT)}"
    else:
        paths = source_files([str(directory / pattern) for pattern in PATTERNS if any(directory.glob(pattern))])[0]
        documents = [document.text for document in read_documents(paths) if isinstance(document, Document)]
        name = f"the {len(paths)} files of {directory}"
    if not documents:
        raise UserError(f"{directory} holds no document; give --data a directory with {', '.join(PATTERNS)}.")
    text = Text(name, documents)
    return Text(f"{name} ({len(documents):,} documents, {text.bytes / 1e6:.1f} MB)", documents)


def train_encoder(text: Text, vocabulary: int) -> TextEncoder:
    """Train a tokenizer of at most `vocabulary` entries on the text."""
    return as_encoder(bpe.train(iter(text.documents), vocabulary))


def as_encoder(tokenizer: Tokenizer) -> TextEncoder:
    """Return what encodes with a tokenizer that is on no disk."""
    entries = tokenizer.get_vocab_size()
    return TextEncoder(open_engine(tokenizer.to_str(), "tokie"), entries, -(-entries // 64) * 64, "")


@dataclass(frozen=True)
class PackedText:
    """A text, tokenized and packed."""

    ids: NDArray[np.int64]
    """int64[n], of all documents."""
    packed: Packed
    length: int
    """Slots of a row."""

    def rows(self, many: int) -> list[PackedRow]:
        """Return so many rows, drawn with a fixed seed."""
        begins = np.concatenate([[0], self.packed.ends[:-1]])
        if many > len(begins):
            raise UserError(
                f"the text fills {len(begins)} rows of {self.length:,} and {many} are needed; give --data more text."
            )
        drawn = np.random.default_rng(0).permutation(len(begins))[:many]
        return [self._row(slice(begins[row], self.packed.ends[row])) for row in drawn]

    def pieces(self, many: int) -> list[PackedRow]:
        """Return so many pieces, a document each or what a row holds of a longer one, drawn with a fixed seed."""
        drawn = np.random.default_rng(0).choice(len(self.packed.pieces.start), many)
        return [self._row(slice(piece, piece + 1)) for piece in drawn.tolist()]

    @property
    def tokens_per_piece(self) -> float:
        """Mean over all pieces of the text."""
        return float(self.packed.pieces.sizes.mean())

    def _row(self, places: slice) -> PackedRow:
        pieces = self.packed.pieces[places]
        return PackedRow(put_together(self.ids, pieces), pieces.sizes.tolist())


def pack_text(text: Text, encoder: TextEncoder, length: int) -> PackedText:
    """Tokenize a text and pack it into rows of `length` slots."""
    encoded = [ids for _, ids in encoder.encode(text.documents)]
    counts = np.array([len(ids) for ids in encoded])
    return PackedText(
        np.concatenate(encoded).astype(np.int64), pack(np.cumsum(counts) - counts, counts, length), length
    )


def take_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Run each contestant once unmeasured and then `rounds` times in turn; return the processor seconds of each."""
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, contestant in contestants.items():
            begin = time.process_time()
            contestant()
            if number:
                seconds[name].append(time.process_time() - begin)
    return seconds


def ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    """Median over the rounds of how many times as long as the reference it took."""
    return median(one / other for one, other in zip(seconds, reference, strict=True))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a markdown table whose first column is text and whose others are numbers, each row when it is known."""
    print(f"| {' | '.join(header)} |\n|---{'|---:' * (len(header) - 1)}|", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def conditions(text: Text, rounds: int) -> str:
    """Return the line below a table that says how it was measured."""
    return f"\nText: {text.name}. Processor time, {rounds} rounds in turn, torch {torch.__version__}, 1 thread."
