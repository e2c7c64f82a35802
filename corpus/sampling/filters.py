"""Which documents are kept, and in which split each lies: decided from the document alone.

The fraction, the split, and every filter look at one document and at nothing around it, so the decision is the same in
whatever order and by however many processes a source is read, and equal texts always lie in the same split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from corpus.sources.records import Document

if TYPE_CHECKING:
    from recipe.schema import Filters

PIECE_CHARACTERS = 65_536
SHORT_CHARACTERS = 512
"""Below so many characters `split` is quicker than calling numpy."""
SPACE = np.array([chr(unit).isspace() for unit in range(2**16)])
"""UTF-16 code unit -> whether it is white space: all white space of Unicode has one unit."""
LATIN_SPACE = SPACE[:256].tobytes()


def count_words(text: str) -> int:
    """Return `len(text.split())` without holding the words: a long text has more of them than memory."""
    if len(text) <= PIECE_CHARACTERS:
        return _words_of(text)
    words, in_word = 0, False
    for start in range(0, len(text), PIECE_CHARACTERS):
        piece = text[start : start + PIECE_CHARACTERS]
        words += _words_of(piece) - (in_word and not piece[0].isspace())
        in_word = not piece[-1].isspace()
    return words


def _words_of(piece: str) -> int:
    if len(piece) < SHORT_CHARACTERS:
        return len(piece.split())
    try:
        space = np.frombuffer(piece.encode("latin-1").translate(LATIN_SPACE), np.bool_)
    except UnicodeEncodeError:
        space = SPACE.take(np.frombuffer(piece.encode("utf-16-le", "surrogatepass"), np.uint16))
    # A word begins where white space ends.
    return int(np.count_nonzero(space[:-1] > space[1:])) + (not space[0])


def split_of(utf8: bytes, held_out: float, seed: int) -> str:
    """Return "validation" and "test" for a share `held_out` of all texts each, else "train"; equal texts, equal split.

    The text is given in UTF-8. A larger `held_out` keeps every validation text in a held-out split.
    """
    if not held_out:
        return "train"
    point = _point(utf8, b"alasin.split", seed)
    if point < held_out:
        return "validation"
    return "test" if point < 2 * held_out else "train"


def in_fraction(utf8: bytes, fraction: float, seed: int) -> bool:
    """Return whether the text, in UTF-8, is in a share `fraction` of all texts, which is part of any larger share."""
    return fraction == 1 or _point(utf8, b"alasin.fraction", seed) < fraction


def drop_reason(document: Document, words: int, filters: Filters) -> str | None:
    """Return the first filter that refuses the document, or None to keep it.

    The order is fixed: characters, words, then scores by name; the ends of ranges are inclusive. `words` is
    `count_words(document.text)`.
    """
    return (
        _outside("characters", len(document.text), filters.min_characters, filters.max_characters)
        or _outside("words", words, filters.min_words, filters.max_words)
        or (_low_score(document, filters.min_scores) if filters.min_scores else None)
    )


def _outside(unit: str, count: int, low: int, high: int | None) -> str | None:
    if count < low:
        return f"{unit} < {low}"
    return f"{unit} > {high}" if high is not None and count > high else None


def _low_score(document: Document, min_scores: Mapping[str, float]) -> str | None:
    for name, smallest in sorted(min_scores.items()):
        score = document.fields.get(name)
        if isinstance(score, bool | str | None):
            return f"{name} is no number"
        if score < smallest:
            return f"{name} < {smallest:g}"
    return None


def _point(utf8: bytes, person: bytes, seed: int) -> float:
    """A point in [0, 1) from a keyed BLAKE2b (RFC 7693) of the text, independent for each `person`."""
    hasher = _hasher(person, seed).copy()
    hasher.update(utf8)
    return (int.from_bytes(hasher.digest(), "big") >> 11) / 2**53


@cache
def _hasher(person: bytes, seed: int) -> hashlib.blake2b:
    """The hash before any text, which is copied: a keyed one begins with a block of its own."""
    return hashlib.blake2b(digest_size=8, key=seed.to_bytes(8, "little"), person=person)
