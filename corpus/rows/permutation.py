"""Permutations that are functions: element i of a shuffled range without shuffling the range.

A balanced Feistel network over the smallest even number of bits that holds the range, walked until it lands inside
(Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"). Its constants are fixed here, so that the order of
the data does not depend on the version of any library.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 6
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(32)

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Permutation:
    """A bijection of 0 .. size-1 chosen by `key`. Time and memory are independent of `size`."""

    size: int
    key: bytes

    def __call__(self, indices: Indices) -> Indices:
        """Map int64[n] indices in 0 .. size-1 to int64[n], each value of the range reached exactly once."""
        if self.size <= 1:
            return indices.copy()
        half_bits = max(1, ((self.size - 1).bit_length() + 1) // 2)
        round_keys = np.frombuffer(hashlib.blake2b(self.key, digest_size=8 * ROUNDS).digest(), dtype="<u8")
        values = indices.astype(np.uint64)
        outside = np.ones(len(values), dtype=bool)
        while outside.any():
            values[outside] = _feistel(values[outside], half_bits, round_keys)
            outside = values >= np.uint64(self.size)
        return values.astype(np.int64)


def _feistel(values: NDArray[np.uint64], half_bits: int, round_keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> bits, values & mask
    for round_key in round_keys:
        left, right = right, left ^ (_mix(right ^ round_key) & mask)
    return (left << bits) | right


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every input bit over all output bits (multiply and fold, twice; wraps modulo 2**64)."""
    for _ in range(2):
        values = values ^ (values >> _SHIFT)
        values = values * _MULTIPLIER
    return values ^ (values >> _SHIFT)
