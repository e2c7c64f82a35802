"""What an encoder makes of each held-out row, kept so that runs can be compared row by row.

A row goes by a hash of what was asked of the encoder: its ids, where pieces end, and which tokens were hidden. So two
runs are compared on what was the same for both, whatever made it so: tokenizer, seed, masking rate, held-out text.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypedDict

import numpy as np

from evaluation.masked.scoring import RowScores
from model.held_out import HeldOutRow

KEY_BYTES = 6
"""Of 1,000 rows, two have the same key by chance once in some 500 million times."""
DIGITS = 4
"""Decimals of a row's summed loss, nats: far below what another order of additions changes."""


class Each(TypedDict):
    """The rows of one source with a masked token, in the order in which they were taken."""

    key: list[str]
    """Hexadecimal digits, as `row_key` gives them."""
    masked: list[int]
    """Tokens."""
    loss: list[float]
    """Nats, summed over them."""


def row_key(row: HeldOutRow) -> str:
    """Return what a row goes by: the same for the same ids, pieces and hidden tokens."""
    masked = row.masked
    parts = (masked.inputs, masked.positions, masked.labels, row.lengths)
    text = b"".join(len(part).to_bytes(8, "little") + part.astype("<i8").tobytes() for part in parts)
    return blake2b(text, digest_size=KEY_BYTES).hexdigest()


def each_row(rows: Sequence[HeldOutRow], scores: RowScores) -> dict[str, Each]:
    """Return, by source, what an encoder made of each of these rows."""
    masked, loss = scores.masked.sum(axis=1), np.round(scores.loss.sum(axis=1), DIGITS)
    found: dict[str, Each] = {}
    for number in np.flatnonzero(masked).tolist():
        own = found.setdefault(rows[number].source, Each(key=[], masked=[], loss=[]))
        own["key"].append(row_key(rows[number]))
        own["masked"].append(int(masked[number]))
        own["loss"].append(float(loss[number]))
    return found
