"""Text to the words that byte-level BPE learns from: exactly `tokenizers`' own, many times as fast.

A word is what `tokenizers` makes of NFC text with its ByteLevel pattern (`PATTERN`): a run of letters, digits or other
characters with the space before it, or white space. Two steps make it fast:

1. Texts are cut into *chunks* at places where a word surely ends, wherever the bytes on both sides tell so, and equal
   chunks are counted (`count_chunks`). It is no loss to miss a place: the chunk is merely longer.
2. Each distinct chunk is cut into words once (`words_of`), however often it was met.

Cuts lie before an ASCII character, which never composes with the one before it, so NFC can wait until the second step.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex  # type: ignore[import-untyped]  # its stubs are a package of their own
from numpy.typing import NDArray
from tokenizers import normalizers, pre_tokenizers

PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""GPT-2's, which `tokenizers.pre_tokenizers.ByteLevel` has built in."""
MOST_SPACES = 24
"""Runs of 2 to so many spaces have a token of their own."""
COUNTS = pa.schema([("word", pa.large_binary()), ("count", pa.int64())])

_WORDS = regex.compile(PATTERN)
_KNOWN = re.compile(
    "[\x00-\u02c1\u0391-\u03a1\u03a3-\u0481\u048a-\u0523\u05d0-\u05ea\u0621-\u063f\u0641-\u064a\u0e01-\u0e30"
    "\u1e00-\u1ef9\u2000-\u2064\u20a0-\u20b8\u2190-\u23e8\u3000-\u303f\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fa5"
    "\uac00-\ud7a3\uff01-\uffbe\ufffd\U0001f300-\U0001f320\U0001f600-\U0001f640]*"
)
"""Characters that `regex` and `tokenizers` surely class alike, old enough for any version of Unicode; a test compares
all of them. Text with others is left to `tokenizers`."""
_COMPOSED = re.compile("[\x00-\u02ff]*")
"""Text that is NFC as it is."""
_WHOLE = r"^ ?([A-Za-zÀ-ÖØ-öø-ʯ]+|[0-9]+|[!-/:-@\[-`{-~]+)$"
"""Chunks that are one word, for RE2."""
_BLOCK = 1 << 18
"""Bytes looked at together for places to cut: so few that what is made of them stays in the processor's cache."""
_WHITE, _WORD = 0x10, 0x20
"""Classes of bytes: ASCII white space, and the least of ASCII characters of words."""
_NFC = normalizers.NFC()
_BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)


def byte_characters() -> list[str]:
    """Return the printable character that stands for each byte in a tokenizer.json (Radford et al. 2019, GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


_BYTE_OF = {character: byte for byte, character in enumerate(byte_characters())}


def _class_table() -> bytes:
    """Return the class of each byte of UTF-8 text: a word surely ends between two whose classes share a rule.

    The low four bits are the rules of which a byte may be the end, the high four those that it may follow.
    """
    letters, digits = set(string.ascii_letters.encode()), set(string.digits.encode())
    marks = set(string.punctuation.encode())
    # The last bytes of white space beyond ASCII: whether such a byte ends white space depends on those before it.
    unsure = {character.encode()[-1] for character in map(chr, range(0x80, 0x3001)) if character.isspace()}
    solid = letters | digits | marks | (set(range(0x80, 0x100)) - unsure)
    classes = bytearray(256)
    for rule, (before, after) in enumerate(
        (
            (solid, set(b" \n\r\t")),
            (letters, digits | marks),
            (digits, letters | marks),
            (marks - set(b"'"), letters | digits),  # 's, 't and so on are words
        )
    ):
        for byte in before:
            classes[byte] |= 1 << rule
        for byte in after:
            classes[byte] |= 0x10 << rule
    return bytes(classes)


_CLASSES = _class_table()


def count_chunks(texts: pa.LargeBinaryArray, apart: bool = False) -> pa.Table:
    """Return the distinct chunks of UTF-8 texts with their counts, as a table of `COUNTS`.

    Args:
        texts: together below 2 GiB.
        apart: whether runs of 2 to `MOST_SPACES` spaces part a text and are not counted, the longest first.
    """
    if not len(texts):
        return COUNTS.empty_table()
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if ends[0] == ends[-1]:
        return COUNTS.empty_table()
    data = data[int(ends[0]) : int(ends[-1])]
    begins, runs = _begins(memoryview(data), ends - ends[0], apart)
    chunks = pa.Array.from_buffers(pa.binary(), len(begins) - 1, [None, pa.py_buffer(begins), data])
    counted = pc.value_counts(chunks)
    table = pa.table([counted.field("values").cast(pa.large_binary()), counted.field("counts")], schema=COUNTS)
    return table.filter(pc.invert(pc.match_substring_regex(table["word"], "^ {2,}$"))) if runs else table


def _begins(data: memoryview, ends: NDArray[np.int64], apart: bool) -> tuple[NDArray[np.int32], bool]:
    """Return where chunks begin and the last one ends, and whether there are runs of spaces, each a chunk if `apart`.

    `ends` are 0 and the places where the texts end of which `data` is made.
    """
    raw = np.frombuffer(data, np.uint8)
    cut = np.zeros(len(data) + 1, bool)
    cut[ends] = True
    doubled = []
    for begin in range(0, len(data) - 1, _BLOCK):
        some = bytes(data[begin : begin + _BLOCK + 1])
        classes, here = np.frombuffer(some.translate(_CLASSES), np.uint8), cut[begin : begin + len(some)]
        space = raw[begin : begin + len(some)] == ord(" ")
        if apart and (two := space[1:] & space[:-1] & ~here[1:]).any():
            doubled.append(np.flatnonzero(two) + begin)
        here[1:] |= classes[:-1] & classes[1:] >> 4 != 0
        # White space of one character, no space, is a word if one follows; of several it is two.
        here[1:] |= here[:-1] & (classes[:-1] == _WHITE) & ~space[:-1] & (classes[1:] >= _WORD)
    if doubled:
        _cut_runs(cut, np.concatenate(doubled))
    blocks = range(0, len(cut), _BLOCK)
    begins = [np.flatnonzero(cut[at : at + _BLOCK]).astype(np.int32) + np.int32(at) for at in blocks]
    return np.concatenate(begins), bool(doubled)


def _cut_runs(cut: NDArray[np.bool_], doubled: NDArray[np.int64]) -> None:
    """Cut before and after runs of spaces, given the places of spaces that are followed by one of the same text."""
    first = np.diff(doubled, prepend=-2) != 1
    starts = doubled[first]
    sizes = np.diff(np.flatnonzero(first), append=len(doubled)) + 1
    # What is left of a run when as many as may be are taken again and again; a single space is none.
    sizes -= sizes % MOST_SPACES == 1
    cut[starts] = True
    cut[starts + sizes] = True


def add_up(tables: Sequence[pa.Table]) -> pa.Table:
    """Return one table of `COUNTS` with each word once, in the order of their first places in the tables.

    No table has a word twice.
    """
    if len(tables) == 1:
        return tables[0]
    rows = pa.concat_tables(tables)
    if not len(rows):
        return COUNTS.empty_table()
    # Many times as fast as a group_by.
    words = pa.concat_arrays(rows["word"].chunks).dictionary_encode()
    counts = np.zeros(len(words.dictionary), np.int64)
    np.add.at(counts, words.indices.to_numpy(), rows["count"].to_numpy())
    return pa.table([words.dictionary, counts], schema=COUNTS)


def words_of(chunks: pa.Table) -> pa.Table:
    """Return the words of counted chunks with their counts, both as tables of `COUNTS`."""
    # What is no UTF-8 would be an error of `count_chunks`: cuts lie before ASCII characters or between texts.
    is_word = pc.match_substring_regex(chunks["word"].cast(pa.large_string()), _WHOLE)
    rest = chunks.filter(pc.invert(is_word))
    words: dict[bytes, int] = {}
    for chunk, count in zip(rest["word"].to_pylist(), rest["count"].to_pylist(), strict=True):
        for word in split_words(chunk.decode()):
            words[word] = words.get(word, 0) + count
    split = pa.table([pa.array(words.keys(), pa.large_binary()), pa.array(words.values(), pa.int64())], schema=COUNTS)
    return add_up([chunks.filter(is_word), split])


def split_words(text: str) -> list[bytes]:
    """Return the words of a text in order, as UTF-8: those of NFC and ByteLevel in `tokenizers`."""
    if not _COMPOSED.fullmatch(text):
        text = _NFC.normalize_str(text)
    if _KNOWN.fullmatch(text):
        return [word.encode() for word in _WORDS.findall(text)]
    return [bytes(map(_BYTE_OF.__getitem__, word)) for word, _ in _BYTE_LEVEL.pre_tokenize_str(text)]
