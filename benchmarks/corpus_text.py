"""Makes as much text as a benchmark needs out of a little, with new words as often as in prose.

`python -m benchmarks.corpus_text --megabytes 200 --output DIRECTORY [FILE ...]` writes `part-00000.jsonl.zst` and so
on. Without files the text is the demo's, from installed packages.

The documents come once as they are, and then again and again, each time varied: paragraphs in another order, other
digits in the numbers, and one word in `RARITY` exchanged for the beginning of one word and the end of another of the
same document. An engine that remembers the ids of words it has met would otherwise meet no new one after the first
pass, and seem faster than it is on real text, where new words never end. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.measure import DEMO_TEXT
from common.errors import UserError, run_command
from corpus.demo.package_text import COLLECTIONS
from corpus.sources.readers import Document, read_documents
from corpus.sources.zstd import atomic_jsonl_zst

RARITY = 10
"""One word in so many is made."""
PARTS = 8
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Amount:
    """How much text there is."""

    documents: int
    bytes: int
    """UTF-8 bytes of the texts, without the JSON around them."""


def source_texts(files: Sequence[Path]) -> list[str]:
    """Return the texts of files, or the demo's if there are none.

    Raises:
        UserError: a file is absent or damaged, or there is no document.
    """
    if not files:
        return [record["text"] for name in DEMO_TEXT for record in COLLECTIONS[name]()]
    texts = [document.text for document in read_documents(list(files)) if isinstance(document, Document)]
    if not texts:
        raise UserError(f"{', '.join(map(str, files))}: no document; give files of documents with a text.")
    return texts


def varied_texts(texts: Sequence[str], seed: int) -> Iterator[str]:
    """Yield the texts without end: first in a random order as they are, then varied, in another order each time."""
    chance = Random(seed)
    yield from _shuffled(texts, chance)
    while True:
        for text in _shuffled(texts, chance):
            yield vary(text, chance)


def vary(text: str, chance: Random) -> str:
    """Return the text with its paragraphs in another order, other digits, and one word in `RARITY` a made one."""
    text = "\n".join(_shuffled(text.split("\n"), chance))
    text = _DIGITS.sub(lambda found: _number(len(found[0]), chance), text)
    words = text.split(" ")
    # Rounded up or down by chance, so that short documents have their share of made words.
    for _ in range(int(len(words) / RARITY + chance.random())):
        place, other = _below(len(words), chance), words[_below(len(words), chance)]
        if words[place].isalpha() and other.isalpha():
            words[place] = words[place][: (len(words[place]) + 1) // 2] + other[len(other) // 2 :].lower()
    return " ".join(words)


def write_corpus(texts: Sequence[str], wanted: int, directory: Path, parts: int = PARTS, seed: int = 0) -> Amount:
    """Write varied texts of at least `wanted` UTF-8 bytes together, in so many files of about the same size."""
    stream = varied_texts(texts, seed)
    documents = size = 0
    for part in range(parts):
        with atomic_jsonl_zst(directory / f"part-{part:05d}.jsonl.zst") as write:
            while size < wanted * (part + 1) // parts:
                text = next(stream)
                write({"id": str(documents), "text": text})
                documents += 1
                size += len(text.encode())
    return Amount(documents, size)


def _number(digits: int, chance: Random) -> str:
    return f"{_below(10**digits, chance):0{digits}d}"


def _shuffled(things: Sequence[str], chance: Random) -> list[str]:
    # random() is what Python promises to keep the same from version to version; shuffle() is not.
    return [thing for _, thing in sorted((chance.random(), thing) for thing in things)]


def _below(end: int, chance: Random) -> int:
    return int(chance.random() * end)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpus_text", description="Make a corpus of any size from a small one."
    )
    parser.add_argument("files", nargs="*", type=Path, help=".jsonl, .jsonl.zst, ... (default: the demo's text)")
    parser.add_argument("--megabytes", type=int, default=200, help="of text (default: %(default)s)")
    parser.add_argument("--parts", type=int, default=PARTS, help="files (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="directory to write")
    arguments = parser.parse_args()
    wanted = arguments.megabytes * 1_000_000
    amount = write_corpus(source_texts(arguments.files), wanted, arguments.output, arguments.parts)
    print(f"{arguments.output}: {amount.documents:,} documents, {amount.bytes / 1e6:,.1f} MB of text")


if __name__ == "__main__":
    run_command(main)
