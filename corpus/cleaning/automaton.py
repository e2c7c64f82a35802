"""The model of `py3langid`, evaluated for many texts at once.

It is naive Bayes over n-grams of bytes. An automaton reads a text byte by byte, and nearly every state stands for one
n-gram of the model, the longest that ends there. `py3langid` itself walks in a loop of Python, 0.1 to 0.3 MB/s; here
some thousand places of one long string of texts are walked in lockstep, each step an array operation, which comes to
the same answers at 10 MB/s and more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

LANES = 4096
"""Places that are walked in lockstep: more make a step cheaper, fewer stay in the processor's cache."""
WARM_UP = 8
"""Bytes after which it no longer matters where a walk began; the model's longest n-gram has 6."""
BETWEEN = 0xFF
"""No byte of UTF-8: it leads from any state to the first."""
PIECE_BYTES = 2**19
PIECE_TEXTS = 2**15
FEATURE_BITS = 17
"""Of a text of a piece and a feature together, in 32 bits."""


class Automaton:
    """`py3langid`'s automaton and weights, as arrays."""

    def __init__(self) -> None:
        """Load the model that the installed `py3langid` carries: 0.7 s, and 110 MB of memory."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        model = LanguageIdentifier.from_model_file(MODEL_FILE)
        self._next = np.frombuffer(model.tk_nextmove, np.dtype(f"u{model.tk_nextmove.itemsize}")).astype(np.int32)
        rows = np.frombuffer(model.tk_row, np.dtype(f"u{model.tk_row.itemsize}"))
        self._rows = rows.astype(np.int32) << 8
        self._feature = np.array(model.tk_output, np.int32)
        self._weights = model.nb_ptc.astype(np.float32)
        # What all languages have in common does not change which is likely, and costs digits of a sum.
        self._weights -= self._weights.mean(axis=1, keepdims=True)
        self._prior = model.nb_pc - model.nb_pc.mean()
        self.languages, self._first, label = np.unique(model.nb_classes, return_index=True, return_inverse=True)
        """str[l], the codes of the languages, sorted: what the columns of `likelihoods` stand for."""
        self._more = np.setdiff1d(np.arange(len(label)), self._first)  # a language of two scripts has two columns
        self._of_more = label[self._more]
        if len(self._weights) >= 2**FEATURE_BITS:
            raise ValueError(f"the model of py3langid has {len(self._weights)} features, more than fit")

    def likelihoods(self, texts: Sequence[bytes]) -> NDArray[np.float32]:
        """Return float32[d, l], how likely each text is in each language, as `py3langid` says; texts are UTF-8.

        The sum over the languages is 1. A logarithm is divided by the root of the text's bytes, by which `py3langid`
        keeps long texts from being always sure.

        Raises:
            ValueError: for more than `PIECE_TEXTS` texts; `pieces` yields so many that they are looked at fastest.
        """
        if len(texts) > PIECE_TEXTS:
            raise ValueError(f"{len(texts)} texts at a time are more than {PIECE_TEXTS}")
        if not texts:
            return np.empty((0, len(self.languages)), np.float32)
        texts = [prepared(text) for text in texts]
        scores = self._scores(texts)
        scores /= np.sqrt(np.fromiter((len(text) or 1 for text in texts), np.float32, len(texts)))[:, None]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        likely = scores[:, self._first]
        likely[:, self._of_more] += scores[:, self._more]
        return likely

    def _scores(self, texts: Sequence[bytes]) -> NDArray[np.float32]:
        """Return float32[d, c], logarithms of how likely the texts are by their n-grams, up to a constant of each."""
        feature = self._feature[self._walk(np.frombuffer(b"\xff".join([*texts, b""]), np.uint8))]
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        keys = np.repeat(np.arange(len(texts), dtype=np.uint32) << FEATURE_BITS, lengths + 1)
        there = feature >= 0
        keys = keys[there] | feature[there].astype(np.uint32)
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=keys[:1] + np.uint32(1)))
        counts = np.diff(first, append=len(keys))
        keys = keys[first]
        ends = np.searchsorted(keys >> FEATURE_BITS, np.arange(len(texts) + 1))
        columns = (keys & np.uint32(2**FEATURE_BITS - 1)).astype(np.int32)
        found = csr_array(
            (np.log1p(counts.astype(np.float32)), columns, ends.astype(np.int32)), (len(texts), len(self._weights))
        )
        scores: NDArray[np.float32] = found @ self._weights
        scores[np.diff(ends) > 0] += self._prior
        return scores

    def _walk(self, letters: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return int32[n], the state of the automaton after each byte."""
        size = len(letters)
        stride = -(-size // LANES)
        padded = np.full(WARM_UP + stride * LANES, BETWEEN, np.uint8)
        padded[WARM_UP : WARM_UP + size] = letters
        lanes = np.lib.stride_tricks.sliding_window_view(padded, WARM_UP + stride)[::stride]
        steps = lanes.T.astype(np.int32)
        states = np.empty((stride, LANES), np.int32)
        state, place = np.zeros(LANES, np.int32), np.empty(LANES, np.int32)
        for number, step in enumerate(steps):
            np.take(self._rows, state, out=place, mode="clip")  # the modes that do not check take half the time
            place += step
            state = states[max(number - WARM_UP, 0)]
            np.take(self._next, place, out=state, mode="clip")
        return states.T.ravel()[:size]


@cache
def automaton() -> Automaton:
    """Return the model, which a process loads once."""
    return Automaton()


def prepared(text: bytes) -> bytes:
    """Return a text as the model was trained on it: composed characters (NFC), and no text in capitals alone."""
    if text.isascii():
        return text.lower() if text.isupper() else text
    string = text.decode()
    return unicodedata.normalize("NFC", string.lower() if string.isupper() else string).encode()


def pieces(texts: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the texts, as many together as are walked at a time; at most `PIECE_TEXTS`."""
    piece: list[bytes] = []
    size = 0
    for text in texts:
        if piece and (size + len(text) > PIECE_BYTES or len(piece) == PIECE_TEXTS):
            yield piece
            piece, size = [], 0
        piece.append(text)
        size += len(text)
    if piece:
        yield piece
