"""Words to make texts of, and texts as the stages hold them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

WORDS = [
    "alku",
    "on",
    "aina",
    "hankala",
    "mutta",
    "lopussa",
    "kiitos",
    "seisoo",
    "työ",
    "tekijäänsä",
    "opettaa",
    "vähän",
]


def encoded(texts: Iterable[str]) -> pa.LargeBinaryArray:
    """Return texts in UTF-8, one after the other."""
    return pa.array([text.encode() for text in texts], pa.large_binary())
