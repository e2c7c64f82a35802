"""What tells text from boilerplate, lists and noise: the measures of Gopher and FineWeb, as FineWeb2 applies them.

Each is a number of a document alone. Which numbers are refused, a recipe says (`recipe.quality`). The measures are
those of MassiveText (Gopher, arXiv 2112.11446), FineWeb (2406.17557) and FineWeb2 (2506.20920).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corpus.cleaning.repetition import paragraphs, repeated, repeated_ngrams
from corpus.cleaning.spans import Characters, Hashes, batches

ELLIPSES = ("...", "…")
BULLETS = ("•", "-")
MOST_BYTES = 2**23
"""Of a text that is measured: of what is longer, the beginning. It takes some 60 bytes of memory a character."""
SHORT_LINE = 30
"""Characters of the longest line that counts as short."""
ENDS_OF_SENTENCES = ".!?…。！？؟۔।॥՞։።፧၊។᠃᠉"
Measures = dict[str, NDArray[np.float64]]


def measure(texts: Sequence[bytes], stop_words: Hashes) -> Measures:
    """Return name -> float64[d], each measure of each text; see `config/README.md` for what they are.

    Args:
        texts: UTF-8.
        stop_words: `hashes_of_words` of frequent words of the language.
    """
    seen = [text if len(text) <= MOST_BYTES else text[:MOST_BYTES].decode(errors="ignore").encode() for text in texts]
    parts = [_measure(batch, stop_words) for batch in batches(seen)] or [_measure([], stop_words)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def hashes_of_words(words: Sequence[str]) -> Hashes:
    """Return uint64[w], hashes of words without the punctuation around them, each once."""
    characters = Characters(words)
    return np.unique(characters.hashes(characters.words.where(characters.holds_word())))


def _measure(texts: Sequence[str], stop_words: Hashes) -> Measures:
    characters = Characters(texts)
    return {
        **_of_words(characters, texts, stop_words),
        **_of_lines(characters, texts),
        **_of_repetition(characters, texts),
    }


def _of_words(characters: Characters, texts: Sequence[str], stop_words: Hashes) -> Measures:
    count, words = len(texts), characters.words
    real = characters.holds_word()
    all_words = np.bincount(words.owners, minlength=count)
    real_words = np.bincount(words.owners[real], minlength=count)
    found = np.searchsorted(stop_words, hashes := characters.hashes(words))
    stops = np.flatnonzero(np.append(stop_words, 0)[found] == hashes)
    different = np.unique(words.owners[stops] * (len(stop_words) + 1) + found[stops]) // (len(stop_words) + 1)
    symbols = [max(text.count("#"), sum(map(text.count, ELLIPSES))) for text in texts]
    return {
        "words": real_words.astype(np.float64),
        "word_length": _per(np.bincount(words.owners[real], characters.word_lengths[real], count), real_words),
        "alphabetic_words": _per(np.bincount(words.owners, characters.holds_letter(), count), all_words),
        "symbols_per_word": _per(symbols, all_words),
        "newlines_per_word": _per([text.count("\n") for text in texts], all_words),
        "stop_words": np.bincount(different, minlength=count).astype(np.float64),
    }


def _of_lines(characters: Characters, texts: Sequence[str]) -> Measures:
    count, points = len(texts), characters.points
    lines = characters.trimmed_lines
    with_blank = np.bincount(characters.lines.owners, minlength=count)
    last, first = points[lines.ends - 1], points[lines.starts]
    dots = np.ones(len(lines), np.bool_)
    for back in (1, 2, 3):
        dots &= points[np.maximum(lines.ends - back, 0)] == ord(".")
    ellipsis = dots & (lines.ends - lines.starts >= 3) | (last == ord("…"))

    def share(chosen: NDArray[np.bool_], of: NDArray[np.int64]) -> NDArray[np.float64]:
        return _per(np.bincount(lines.owners[chosen], minlength=count), of)

    not_blank = np.bincount(lines.owners, minlength=count)
    return {
        "bullet_lines": share(np.isin(first, list(map(ord, BULLETS))), with_blank),
        "ellipsis_lines": share(ellipsis, with_blank),
        "ended_lines": share(np.isin(last, list(map(ord, ENDS_OF_SENTENCES))), not_blank),
        "short_lines": share(lines.ends - lines.starts <= SHORT_LINE, not_blank),
    }


def _of_repetition(characters: Characters, texts: Sequence[str]) -> Measures:
    count, newlines = len(texts), np.array([text.count("\n") for text in texts], np.int64)
    kinds = {
        "line": (characters.trimmed_lines, characters.lengths - newlines),
        "paragraph": (paragraphs(characters), characters.lengths),
    }
    found: Measures = {}
    for name, (spans, whole) in kinds.items():
        again, size = repeated(spans, characters.hashes(spans), count)
        found[f"duplicate_{name}s"] = _per(again, np.bincount(spans.owners, minlength=count))
        found[f"duplicate_{name}_characters"] = _per(size, whole)
    top, duplicated = repeated_ngrams(characters)
    for name, sizes in (("top_ngrams", top), ("duplicate_ngrams", duplicated)):
        found |= {f"{name}.{n}": _per(size, characters.lengths) for n, size in sizes.items()}
    return found


def _per(
    parts: Sequence[int] | NDArray[np.float64] | NDArray[np.int64], whole: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return parts / whole; 0 where there is nothing."""
    shares: NDArray[np.float64] = np.asarray(parts, np.float64) / np.maximum(whole, 1)
    return shares
