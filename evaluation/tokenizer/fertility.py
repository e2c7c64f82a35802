"""How many tokens a tokenizer spends on a word and how many bytes a token carries, per language and per source.

The way of a figure: validation texts of a source, drawn at random where it has more than are asked for, since its first
ones may all be about one thing -> words counted by a pattern, tokens by the tokenizer -> sums per source -> sums per
language. Fertility is tokens / words over the sum, not a mean of documents, so a long document counts by its length.
Only languages with validation text have a row. How unequally the languages are served is the Gini coefficient of their
tokens per byte. The texts depend on the recipe and its seed alone, so that tokenizers are compared on the same ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from common.errors import UserError, run_command
from common.files import write_json
from corpus.rows.keys import derive_key
from corpus.rows.permutation import Permutation
from corpus.sampling.documents import manifests_by_source, read_manifest, split_texts
from corpus.tokens.encoding import MANIFEST, TextEncoder, read_encoder
from evaluation.hub import HubAbsentError, write_unmeasured
from evaluation.results import FORMAT
from evaluation.tokenizer.foreign import ForeignEncoder, read_foreign
from recipe.slices.files import read_slice
from recipe.slices.types import FertilitySlice

COMMAND = "python -m evaluation.tokenizer.fertility"
SPLIT = "validation"
DOCUMENTS = 10_000
"""Of each source, unless asked otherwise."""

_WORD = regex.compile(r"[[:alnum:]]+|[^[:space:]]")
"""A word, as in arXiv 2511.09213 (Finnish ModernBERTs), over Unicode; `re` knows no such classes."""


@dataclass(frozen=True)
class Counts:
    """What was counted in some documents."""

    documents: int = 0
    words: int = 0
    tokens: int = 0
    """Without [CLS] and [SEP]."""
    bytes: int = 0
    """UTF-8 bytes of the text."""
    unknown: int = 0
    """Of the tokens, those that stand for text which the tokenizer has no token for."""

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(*(mine + yours for mine, yours in zip(vars(self).values(), vars(other).values(), strict=True)))

    def row(self) -> dict[str, Any]:
        """Return the counts and their ratios. There must be at least one word."""
        return {
            **vars(self),
            "tokens_per_word": self.tokens / self.words,
            "bytes_per_token": self.bytes / self.tokens,
        }


def count_pattern_words(text: str) -> int:
    """Return the number of words: runs of letters and digits, and every other character that is no white space."""
    return sum(1 for _ in _WORD.finditer(text))


def count(encoder: TextEncoder | ForeignEncoder, texts: Iterable[str]) -> Counts:
    """Count the words, tokens and bytes of texts."""
    total = Counts()
    # Our own are of bytes, and have a token for everything.
    unknown = encoder.unknown if isinstance(encoder, ForeignEncoder) else None
    for text, ids in encoder.encode(texts):
        strange = 0 if unknown is None else int((ids == unknown).sum())
        total += Counts(1, count_pattern_words(text), len(ids), len(text.encode()), strange)
    return total


def gini(values: Sequence[float]) -> float | None:
    """Return the Gini coefficient: 0 where all are equal, towards 1 the more one has of all; None for no values.

    The mean of all differences |x - y| over twice the mean; for tokenizers as in arXiv 2508.04796, section 4.
    """
    if not values:
        return None
    differences = sum(abs(one - other) for one in values for other in values)
    return differences / (2 * len(values) * sum(values))


def sampled_texts(manifest: Path, limit: int, seed: int, source: str) -> Iterator[str]:
    """Yield `limit` of a source's validation texts, drawn by seed and source, in their order; all where it has fewer.

    Raises:
        UserError: documents are absent or not as they were written.
    """
    documents = read_manifest(manifest)["splits"][SPLIT]["documents"]
    order = Permutation(documents, derive_key(seed, "fertility", source))
    chosen = np.zeros(documents, dtype=bool)
    chosen[order(np.arange(min(documents, limit)))] = True
    yield from compress(split_texts(manifest, SPLIT), chosen.tolist())


def measure(
    content: FertilitySlice, encoder: TextEncoder | ForeignEncoder, manifests: Mapping[str, Path], documents: int
) -> dict[str, Any]:
    """Return the content of a tokenizer's result but for format and name.

    Raises:
        UserError: documents are not as they were written.
    """
    sources = {
        source: count(encoder, sampled_texts(manifests[source], documents, content.seed, source))
        for source in content.sources
    }
    rows = []
    for language in sorted(set(content.sources.values())):
        names = sorted(name for name, spoken in content.sources.items() if spoken == language)
        total = sum((sources[name] for name in names), Counts())
        if total.words:
            rows.append({"language": language, "sources": names, **total.row()})
    return {
        "vocabulary": encoder.vocabulary,
        "fingerprint": encoder.fingerprint,
        "split": SPLIT,
        "documents_per_source": documents,
        "seed": content.seed,
        "gini": gini([row["tokens"] / row["bytes"] for row in rows]),
        "rows": rows,
        "sources": [
            {"source": source, "language": content.sources[source], **counts.row()}
            for source, counts in sources.items()
            if counts.words
        ],
    }


def _tell(name: str, result: Mapping[str, Any]) -> None:
    print(f"tokenizer {name}, {result['vocabulary']:,} entries, on {result['split']} text")
    if not result["rows"]:
        print("warning: no source has such text, so nothing is counted; raise held_out in the recipe.")
    for row in result["rows"]:
        print(
            f"  {row['language']}: {row['tokens_per_word']:.3f} tokens per word, {row['bytes_per_token']:.2f} bytes "
            f"per token ({row['words']:,} words of {row['documents']:,} documents)"
        )
    if result["gini"] is not None:
        print(f"  Gini coefficient of tokens per byte over languages: {result['gini']:.4f}")


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure a tokenizer's tokens per word and bytes per token on validation texts, by language and "
        "source.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the fertility, from the recipe")
    parser.add_argument(
        "--tokenizer", required=True, help="manifest.json of one trained here; else a directory, a file or a hub name"
    )
    parser.add_argument("--name", help="what to call it (default: as it was given)")
    parser.add_argument(
        "--documents", type=Path, nargs="+", required=True, metavar="MANIFEST", help="of each source's documents"
    )
    parser.add_argument(
        "--limit", type=int, default=DOCUMENTS, help=f"documents of each source, at random (default: {DOCUMENTS:,})"
    )
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    if arguments.limit < 1:
        raise UserError(f"--limit is {arguments.limit}; give at least 1 document.")
    content = read_slice(arguments.slice, FertilitySlice)
    manifests = manifests_by_source(arguments.documents, content.sources, "a run of the recipe")
    name, given = arguments.name or arguments.tokenizer, Path(arguments.tokenizer)
    try:
        encoder = read_encoder(given) if given.name == MANIFEST else read_foreign(arguments.tokenizer)
    except HubAbsentError as error:
        write_unmeasured(arguments.output, str(error), tokenizer=name)
        return
    result = measure(content, encoder, manifests, arguments.limit)
    write_json(arguments.output, {"format": FORMAT, "tokenizer": name, **result})
    _tell(name, result)


if __name__ == "__main__":
    run_command(main)
