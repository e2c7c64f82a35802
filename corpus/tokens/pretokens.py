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
SPACE_RUN = re.compile(" {2,24}")
"""What has a token of its own, so that no word holds it."""
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
_WHOLE = r"^ ?[A-Za-zÀ-ÖØ-öø-ʯ]+$"
"""Chunks that are one word, for RE2."""
_NFC = normalizers.NFC()
_BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)


def byte_characters() -> list[str]:
    """Return the printable character that stands for each byte in a tokenizer.json (Radford et al. 2019, GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


_BYTE_OF = {character: byte for byte, character in enumerate(byte_characters())}


def _cut_table() -> NDArray[np.bool_]:
    """Return bool[65536]: whether a word surely ends between byte i // 256 and byte i % 256 of UTF-8 text."""
    letters, digits = set(string.ascii_letters.encode()), set(string.digits.encode())
    marks = set(string.punctuation.encode())
    # The last bytes of white space beyond ASCII: whether such a byte ends white space depends on those before it.
    unsure = {character.encode()[-1] for character in map(chr, range(0x80, 0x3001)) if character.isspace()}
    solid = letters | digits | marks | (set(range(0x80, 0x100)) - unsure)
    cuts = np.zeros((256, 256), bool)
    for before, after in (
        (solid, set(b" \n\r\t")),
        (letters, digits | marks),
        (digits, letters | marks),
        (marks - set(b"'"), letters | digits),  # 's, 't and so on are words
    ):
        cuts[np.ix_(sorted(before), sorted(after))] = True
    return cuts.reshape(-1)


_CUTS = _cut_table()


def count_chunks(texts: Sequence[bytes]) -> pa.Table:
    """Return the distinct chunks of UTF-8 texts with their counts, as a table of `COUNTS`.

    The texts are distinct documents or what lies between two runs of spaces of one. Together they are below 2 GiB.
    """
    texts = [text for text in texts if text]
    if not texts:
        return COUNTS.empty_table()
    data = np.frombuffer(b"".join(texts), np.uint8)
    cut = np.empty(len(data) - 1, bool)
    for first in (0, 1):
        # Every second pair of neighbours, as they lie there.
        cut[first::2] = _CUTS[np.frombuffer(data, ">u2", (len(data) - first) // 2, first)]
    ends = np.cumsum([len(text) for text in texts])
    cut[ends[:-1] - 1] = True
    offsets = np.concatenate([[0], np.flatnonzero(cut) + 1, [len(data)]]).astype(np.int32)
    chunks = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    counted = pc.value_counts(chunks)
    return pa.table([counted.field("values").cast(pa.large_binary()), counted.field("counts")], schema=COUNTS)


def add_up(tables: Sequence[pa.Table]) -> pa.Table:
    """Return one table of `COUNTS` with each word once, in the order of their first places in the tables."""
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
