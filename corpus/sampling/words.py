"""How many words texts have: runs of characters that are no white space, counted in UTF-8 without making a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

PIECE_BYTES = 2**18
"""Of text that is looked at together: what is computed of it stays in the processor's cache."""
SPACE = np.array([chr(point).isspace() for point in range(2**16)])
"""Code point -> whether it is white space: none lies beyond U+FFFF."""
SPACES = [b" " * (8 - size) for size in range(8)]
LEADS = sorted({chr(point).encode()[0] for point in range(0x80, 2**16) if SPACE[point]})
"""First bytes of white space beyond ASCII."""


def count_words(texts: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return uint32[d], `len(text.decode().split())` of each text; texts are UTF-8."""
    counts = np.zeros(len(texts), np.uint32)
    start = size = 0
    for number, text in enumerate(texts):
        if size + len(text) > PIECE_BYTES:
            counts[start:number] = _count(texts[start:number])[0]
            start, size = number, 0
        if len(text) > PIECE_BYTES:
            counts[number] = _count_long(text)
            start = number + 1
        else:
            size += len(text)
    counts[start:] = _count(texts[start:])[0]
    return counts


def _count_long(text: bytes) -> int:
    """Count piece by piece: a word that goes on in the next piece is counted once."""
    words, in_word = 0, False
    for piece in _pieces(text):
        (count,), space = _count([piece])
        words += int(count) - (in_word and not space[0])
        in_word = not space[len(piece) - 1]
    return words


def _pieces(text: bytes) -> Iterator[bytes]:
    """Yield pieces of a text, cut between characters."""
    start = 0
    while start < len(text):
        end = min(start + PIECE_BYTES, len(text))
        while end < len(text) and text[end] & 0xC0 == 0x80:
            end += 1
        yield text[start:end]
        start = end


def _count(texts: Sequence[bytes]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return uint32[d], the words of each text, and bool[n], which bytes are of white space.

    These bytes are the texts, each followed by as many spaces as lead to the next multiple of eight.
    """
    padded = b"".join(chain.from_iterable((text, SPACES[len(text) % 8]) for text in texts))
    space = _spaces(padded)
    # A word begins where white space ends.
    begins = ~space
    begins[1:] &= space[:-1]
    eights = np.bitwise_count(np.packbits(begins))
    sizes = np.fromiter((len(text) // 8 + 1 for text in texts), np.int64, len(texts))
    return np.add.reduceat(eights, np.cumsum(sizes) - sizes, dtype=np.uint32), space


def _spaces(text: bytes) -> NDArray[np.bool_]:
    """Return bool[n], which bytes of UTF-8 belong to white space."""
    units = np.frombuffer(text, np.uint8)
    # 9 to 13 and 28 to 32: what is below wraps around.
    space: NDArray[np.bool_] = (units - np.uint8(9) <= 4) | (units - np.uint8(28) <= 4)
    for lead in LEADS:
        if bytes([lead]) in text:
            places = np.flatnonzero(units == lead)
            length = 2 if lead < 0xE0 else 3
            points = np.full(len(places), lead & 0xFF >> length + 1)
            for following in range(1, length):
                points = points << 6 | units[places + following] & 0x3F
            places = places[SPACE[points]]
            for following in range(length):
                space[places + following] = True
    return space
