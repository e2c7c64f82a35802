"""Which tokens the encoder must guess: a function of (key, global row), never of rank, worker or restart.

Each row has a random stream of its own: the counter-based generator Philox (Salmon et al. 2011) with the stage's key
and the global row number in its counter. Only raw 64-bit draws are used, whose values no version of numpy changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpus.tokens.special import FIRST_ORDINARY, MASK

MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1
"""Of the chosen tokens 80 % become [MASK], 10 % a random token, 10 % stay (Devlin et al. 2019, section 3.1)."""


class MaskedRow(NamedTuple):
    """One row as the encoder sees it."""

    inputs: NDArray[np.int64]
    """int64[n] tokens with the chosen ones replaced."""
    positions: NDArray[np.int64]
    """int64[m] places of the chosen tokens, ascending."""
    labels: NDArray[np.int64]
    """int64[m] the tokens that stood there."""


def mask_row(
    tokens: NDArray[np.unsignedinteger], global_row: int, key: bytes, rate: float, vocabulary: int
) -> MaskedRow:
    """Choose each ordinary token of a row with probability `rate` and hide it.

    Args:
        tokens: unsigned [n], the tokens of a packed row.
        global_row: Number of the row in its stage, >= 0.
        key: 16 bytes or more, one per stage.
        rate: Share of the ordinary tokens to choose, in (0, 1).
        vocabulary: Entries of the tokenizer; replacements are drawn from FIRST_ORDINARY .. vocabulary - 1.
    """
    inputs = tokens.astype(np.int64)
    generator = np.random.Philox(key=int.from_bytes(key[:16], "little"), counter=[0, 0, global_row, 0])
    draws = generator.random_raw(2 * len(inputs))
    chosen = (draws[: len(inputs)] < _threshold(rate, 64)) & (inputs >= FIRST_ORDINARY)
    positions = np.flatnonzero(chosen)
    labels = inputs[positions]
    second = draws[len(inputs) :][positions]
    fate, replacement = second & np.uint64(0xFFFFFFFF), second >> np.uint64(32)
    hidden = fate < _threshold(MASKED_SHARE, 32)
    replaced = ~hidden & (fate < _threshold(MASKED_SHARE + RANDOM_SHARE, 32))
    inputs[positions[hidden]] = MASK
    ordinary = np.uint64(vocabulary - FIRST_ORDINARY)
    inputs[positions[replaced]] = FIRST_ORDINARY + ((replacement[replaced] * ordinary) >> np.uint64(32)).astype(
        np.int64
    )
    return MaskedRow(inputs, positions, labels)


def _threshold(share: float, bits: int) -> np.uint64:
    return np.uint64(min(int(share * 2.0**bits), 2**bits - 1))
