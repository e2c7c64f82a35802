"""Text to token ids with a trained tokenizer: the way every stage reads text.

A text is encoded alone, without [CLS] and [SEP], and text that looks like a special token ("[MASK]" in a manual, say)
becomes ordinary tokens: a document can never write a special id. Long texts are encoded in chunks that give the ids of
the whole, so that the encoder's memory does not grow with a document, and the chunks of a book are encoded in parallel.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from common.files import read_json
from common.listed import refuse_changed
from corpus.tokens.engines import Encode, Flat, open_engine

if TYPE_CHECKING:
    from recipe.types import Engine

FORMAT = 1
MANIFEST, TOKENIZER = "manifest.json", "tokenizer.json"
CHUNK_CHARACTERS = 1 << 14
"""Of a longer text, for one call of an engine: so few that tokie computes them in the calling thread."""
BATCH_CHARACTERS = 1 << 21

# A single space between two characters that are no white space always begins a pre-token of its own (the ByteLevel
# pattern is ` ?\p{L}+| ?\p{N}+|...`), is no part of a run of spaces, and takes no part in NFC: cutting here is exact.
_BOUNDARY = re.compile(r"(?<=\S)(?= \S)")


Batch = list[tuple[str, str | None]]
"""Chunks of texts, each with the whole text if it is the last chunk of it."""


@dataclass(frozen=True)
class Description:
    """What the manifest of a tokenizer tells of it, known before an engine has read it."""

    vocabulary: int
    """Entries of the tokenizer: ids are below it."""
    padded_vocabulary: int
    """Rows of the model's embedding."""
    fingerprint: str
    """SHA-256 of tokenizer.json."""


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer as `corpus.tokens.bpe` writes it, set to read special tokens as text."""

    engine: Encode
    vocabulary: int
    """Entries of the tokenizer: ids are below it."""
    padded_vocabulary: int
    """Rows of the model's embedding."""
    fingerprint: str
    """SHA-256 of tokenizer.json."""

    def encode_flat(self, texts: Iterable[str], calls: int = 1) -> Iterator[Flat]:
        """Yield ids uint32[n] of many texts at a time, with how many ids each text that ends in them has, int64[d].

        What is yielded last may end no text, and a text may begin in one and end in another: together they hold all.
        `calls` of the engine are under way at once, in threads; with more than one, texts are read meanwhile.
        """
        open_ids = 0
        for batch, (ids, lengths) in self._encoded(_batches(texts), calls):
            ends = np.cumsum(lengths)[[whole is not None for _, whole in batch]]
            counts = np.diff(ends, prepend=-open_ids)
            open_ids = len(ids) - int(ends[-1]) if len(ends) else open_ids + len(ids)
            yield ids, counts

    def encode(self, texts: Iterable[str]) -> Iterator[tuple[str, NDArray[np.uint32]]]:
        """Yield each text, in order, with its ids uint32[n]: content only, no special token among them."""
        parts: list[NDArray[np.uint32]] = []
        for batch in _batches(texts):
            ids, lengths = self.engine([chunk for chunk, _ in batch])
            for end, length, (_, whole) in zip(np.cumsum(lengths), lengths, batch, strict=True):
                parts.append(ids[end - length : end])
                if whole is not None:
                    yield whole, parts[0] if len(parts) == 1 else np.concatenate(parts)
                    parts = []

    def _encoded(self, batches: Iterator[Batch], calls: int) -> Iterator[tuple[Batch, Flat]]:
        """Yield each batch with its ids, in order."""
        if calls == 1:
            yield from ((batch, self.engine([chunk for chunk, _ in batch])) for batch in batches)
            return
        with ThreadPoolExecutor(calls) as pool:
            pending: deque[tuple[Batch, Future[Flat]]] = deque()
            for batch in batches:
                pending.append((batch, pool.submit(self.engine, [chunk for chunk, _ in batch])))
                if len(pending) > calls:
                    batch, encoded = pending.popleft()
                    yield batch, encoded.result()
            yield from ((batch, encoded.result()) for batch, encoded in pending)


def read_encoder(path: Path, engine: Engine = "tokie", threads: bool = True) -> TextEncoder:
    """Read a tokenizer, given the path of its manifest.json or of the tokenizer.json beside it.

    `engine` computes the ids, which are the same with any; `threads` is told to `open_engine`.

    Raises:
        UserError: as `read_description` does.
    """
    told = read_description(path)
    encode = open_engine(path.with_name(TOKENIZER).read_text(encoding="utf-8"), engine, threads)
    return TextEncoder(encode, told.vocabulary, told.padded_vocabulary, told.fingerprint)


def read_description(path: Path) -> Description:
    """Read what a tokenizer is, given the path of its manifest.json or of the tokenizer.json beside it.

    Raises:
        UserError: one of them is absent or unreadable, or the tokenizer is not the one the manifest describes.
    """
    if path.name not in (MANIFEST, TOKENIZER):
        raise UserError(
            f"{path} is no tokenizer; give the {MANIFEST} or {TOKENIZER} that python -m corpus.tokens.bpe wrote."
        )
    manifest_path = path.with_name(MANIFEST)
    remake = f"delete {manifest_path} and run python -m corpus.tokens.bpe again"
    manifest = read_json(manifest_path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{manifest_path} is not the manifest of a tokenizer of format {FORMAT}; {remake}.")
    refuse_changed(path.parent, {"name": TOKENIZER, "sha256": manifest["fingerprint"]}, remake)
    return Description(manifest["vocabulary"], manifest["padded_vocabulary"], manifest["fingerprint"])


def chunks(text: str, characters: int = CHUNK_CHARACTERS) -> Iterator[str]:
    """Yield parts of `text` that make it up, each as short as can be above `characters` without changing an id.

    A text without single spaces, such as a long line of Chinese, stays whole.
    """
    start = 0
    while len(text) - start > characters and (boundary := _BOUNDARY.search(text, start + characters)):
        yield text[start : boundary.start()]
        start = boundary.start()
    yield text[start:]


def _batches(texts: Iterable[str]) -> Iterator[Batch]:
    """Yield batches of about `BATCH_CHARACTERS`."""
    batch: Batch = []
    characters = 0
    for text in texts:
        rest = len(text)
        for part in chunks(text) if rest > CHUNK_CHARACTERS else (text,):
            rest -= len(part)
            batch.append((part, None if rest else text))
            characters += len(part)
            if characters >= BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
    if batch:
        yield batch
