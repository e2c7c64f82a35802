"""Which documents are kept, and in which split each lies: decided from the document alone.

The fraction, the split, and every filter look at one document and at nothing around it, so the decision is the same in
whatever order and by however many processes a source is read, and equal texts always lie in the same split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

if TYPE_CHECKING:
    from corpus.sources.records import Fields
    from recipe.schema import Filters


NO_SPLIT = 3
"""Of a text that a source must not train on, since another one may hold it out; beyond the indices in `SPLITS`."""


def splits_of(utf8: Sequence[bytes], held_out: float, seed: int, held_out_anywhere: float = 0.0) -> NDArray[np.uint8]:
    """Return uint8[d], the split of each text, an index in `SPLITS` or `NO_SPLIT`.

    A text has a point in [0, 1), the same wherever it stands. Below `held_out` it is "validation", below twice that
    "test", below twice the largest `held_out` of any source it has no split, and "train" above. So what one source
    holds out no other one trains on.

    Args:
        utf8: texts.
        held_out: of the source that they are read from.
        seed: of the recipe.
        held_out_anywhere: the largest `held_out` of the recipe's sources.
    """
    largest = max(held_out, held_out_anywhere)
    if not largest:
        return np.zeros(len(utf8), np.uint8)
    points = _points(utf8, "split", seed)
    below = [points < held_out, points < 2 * held_out, points < 2 * largest]
    return np.select(below, [1, 2, NO_SPLIT], 0).astype(np.uint8)


def in_fraction(utf8: Sequence[bytes], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Return bool[d], whether each text, in UTF-8, is in a share `fraction` of all texts.

    What is in a share is in any larger one.
    """
    if fraction == 1:
        return np.ones(len(utf8), np.bool_)
    return _points(utf8, "fraction", seed) < fraction


def drop_reasons(
    characters: Sequence[int], fields: Sequence[Fields], words: NDArray[np.uint32], filters: Filters
) -> list[str | None]:
    """Return for each document the first filter that refuses it, or None to keep it.

    The order is fixed: characters, words, values by name, then scores by name; the ends of ranges are inclusive.
    `words` are what `corpus.sampling.words.count_words` says.
    """
    nothing: list[str | None] = [None] * len(characters)
    if (
        not (filters.min_scores or filters.allowed_values)
        and _within(np.array(characters), filters.min_characters, filters.max_characters)
        and _within(words, filters.min_words, filters.max_words)
    ):
        return nothing
    of_fields = [_other_value(one, filters.allowed_values) or _low_score(one, filters.min_scores) for one in fields]
    return [
        _outside("characters", length, filters.min_characters, filters.max_characters)
        or _outside("words", count, filters.min_words, filters.max_words)
        or of_field
        for length, count, of_field in zip(characters, words.tolist(), of_fields, strict=True)
    ]


def _within(counts: NDArray[Any], low: int, high: int | None) -> bool:
    """Tell whether all counts are in a range, as nearly always in a batch, so that none must be looked at alone."""
    return not len(counts) or bool(low <= counts.min() and (high is None or counts.max() <= high))


def _outside(unit: str, count: int, low: int, high: int | None) -> str | None:
    if count < low:
        return f"{unit} < {low}"
    return f"{unit} > {high}" if high is not None and count > high else None


def _other_value(fields: Fields, allowed: Mapping[str, Sequence[str]]) -> str | None:
    for name, values in sorted(allowed.items()):
        if fields.get(name) not in values:
            return f"{name} is not {' or '.join(values)}"
    return None


def _low_score(fields: Fields, min_scores: Mapping[str, float]) -> str | None:
    for name, smallest in sorted(min_scores.items()):
        score = fields.get(name)
        if isinstance(score, bool | str | None):
            return f"{name} is no number"
        if not isfinite(score):
            return f"{name} is {'NaN' if score != score else 'infinite'}"
        if score < smallest:
            return f"{name} < {smallest:g}"
    return None


def _points(utf8: Sequence[bytes], purpose: str, seed: int) -> NDArray[np.float64]:
    """Return float64[d], a point in [0, 1) for each text, independent for each `purpose`: XXH3 of 64 bits."""
    key = _hash_seed(purpose, seed)
    hashes = [xxhash.xxh3_64_intdigest(text, key) for text in utf8]
    points: NDArray[np.float64] = (np.array(hashes, np.uint64) >> np.uint64(11)) / 2.0**53
    return points


@cache
def _hash_seed(purpose: str, seed: int) -> int:
    key = seed.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8, key=key).digest(), "little")
