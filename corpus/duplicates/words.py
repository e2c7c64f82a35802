"""Texts as hashes of their words, the same for texts that differ in case, punctuation and white space alone.

A word is a run of letters and digits of ASCII and of characters beyond U+00BF, but for the punctuation and symbols of
U+2000 to U+2BFF and U+3000 to U+303F; letters are made small. Scripts without spaces give words as long as a clause.
A hash is a polynomial of a word's bytes modulo 2^64, mixed; so all words of some hundred documents are hashed together
by a few passes of numpy, without an object for a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Index = NDArray[np.int64]

BLOCK_BYTES = 2**18
"""Of text that is looked at together: what is computed of it stays in the processor's cache."""
_BASE = 0x9E3779B97F4A7C15
_MIXER = np.uint64(0xFF51AFD7ED558CCD)
_NUMBER = np.uint64(1)
_WORD = np.array([chr(byte).isalnum() or byte >= 0x80 for byte in range(256)])
_SYMBOL_LEADS = ((0xC2, 2, 0x80, 0xC0), (0xE2, 3, 0x80, 0xB0), (0xE3, 3, 0x80, 0x81))
"""First byte, bytes, and range of the second byte of the characters beyond ASCII that are no part of a word."""


@dataclass(frozen=True)
class Words:
    """Words of documents that follow one another."""

    hashes: Hashes
    """uint64[w]; the lowest bit tells a number, a word that begins and ends with a digit."""
    ends: Index
    """int64[d], after the last word of each document."""
    line_ends: Index
    """int64[l], after the last word of each line."""
    document_lines: Index
    """int64[d], lines up to the end of each document; a document has one more than line feeds."""

    def starts(self) -> Index:
        """Return int64[d], where the words of each document begin."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)


def words_of(texts: Sequence[bytes]) -> Words:
    """Return the words of texts in UTF-8."""
    lowered = [text.decode().lower().encode() for text in texts]
    hashes, ends, line_ends = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    before = first = size = 0
    for number, text in enumerate([*lowered, b""]):
        if number == len(lowered) or (number > first and size + len(text) > BLOCK_BYTES):
            block = lowered[first:number]
            of_block, line_feeds = _hash_block(b"".join(part for one in block for part in (one, b"\n")))
            hashes.append(of_block)
            line_ends.append(line_feeds + before)
            before += len(of_block)
            first, size = number, 0
        size += len(text)
    lines = np.cumsum([text.count(b"\n") + 1 for text in lowered], dtype=np.int64)
    all_line_ends = np.concatenate(line_ends)
    ends.append(all_line_ends[lines - 1])
    return Words(np.concatenate(hashes), np.concatenate(ends), all_line_ends, lines)


def _hash_block(text: bytes) -> tuple[Hashes, Index]:
    """Return the hashes of all words of a text, and how many words stand before each line feed in it."""
    units = np.frombuffer(text, np.uint8)
    inside = np.zeros(len(units) + 1, np.bool_)  # a text ends with a line feed
    inside[1:] = _WORD[units]
    for lead, length, low, high in _SYMBOL_LEADS:
        if bytes([lead]) in text:
            places = np.flatnonzero(units == lead)
            seconds = units[places + 1]
            places = places[(seconds >= low) & (seconds < high)]
            for following in range(1, length + 1):
                inside[places + following] = False
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(len(units))
    sums = np.zeros(len(units) + 1, np.uint64)
    np.cumsum((units + np.uint64(1)) * powers[: len(units)], out=sums[1:])
    hashes = mixed((sums[ends] - sums[starts]) * inverses[starts])
    digits = (units[starts] - np.uint8(48) < 10) & (units[ends - 1] - np.uint8(48) < 10)
    hashes = hashes & ~_NUMBER | digits.astype(np.uint64)
    return hashes, np.searchsorted(starts, np.flatnonzero(units == 10)).astype(np.int64)


def mixed(hashes: Hashes) -> Hashes:
    """Return hashes whose every bit depends on all bits: the finalizer of MurmurHash3."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * _MIXER
    return hashes ^ (hashes >> np.uint64(33))


def without_numbers(hashes: Hashes) -> Hashes:
    """Return hashes of words among which all numbers are one."""
    return np.where(hashes & _NUMBER, _NUMBER, hashes)


def runs(hashes: Hashes, ends: Index, length: int) -> tuple[Hashes, Index]:
    """Return the hashes of all runs of `length` words that lie within one stretch, and where each begins.

    Args:
        hashes: uint64[w], of words.
        ends: int64[s], after the last word of each stretch, such as a document.
        length: at least 1.
    """
    count = len(hashes) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    sums = np.zeros(count, np.uint64)
    powers = _powers(length)[0]
    for place in range(length):
        sums += hashes[place : place + count] * powers[place]
    # A run that begins in the last words of a stretch leaves it.
    whole = np.ones(len(hashes), np.bool_)
    for place in range(1, length):
        whole[np.maximum(ends - place, 0)[ends > 0]] = False
    starts = np.concatenate([[0], ends[:-1]])
    for short in np.flatnonzero((ends - starts < length) & (ends > starts)):
        whole[starts[short] : ends[short]] = False
    places = np.flatnonzero(whole[:count])
    return mixed(sums[places]), places


def stretches(hashes: Hashes, ends: Index) -> Hashes:
    """Return uint64[s], a hash of all words of each stretch, in their order; 0 for a stretch without words."""
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    sizes = ends - starts
    there = sizes > 0
    found = np.zeros(len(ends), np.uint64)
    if there.any():
        powers = _powers(int(sizes.max()))[0]
        within = np.arange(len(hashes), dtype=np.int64) - np.repeat(starts, sizes)
        found[there] = mixed(np.add.reduceat(hashes * powers[within], starts[there]))
    return found


def keys_of(texts: Sequence[bytes], words: Words) -> Hashes:
    """Return uint64[d], the same for texts with the same words; of a text without words, a hash of the text itself."""
    keys = stretches(words.hashes, words.ends)
    for number in np.flatnonzero(words.ends == words.starts()).tolist():
        keys[number] = xxhash.xxh3_64_intdigest(texts[number].strip())
    return keys


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return at least `count` powers of the base modulo 2^64 from the zeroth on, and their inverses."""
    return _tables(max(count, BLOCK_BYTES + 1).bit_length())


@cache
def _tables(bits: int) -> tuple[Hashes, Hashes]:
    tables = []
    for base in (_BASE, pow(_BASE, -1, 2**64)):
        table = np.full(1 << bits, base, np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]
