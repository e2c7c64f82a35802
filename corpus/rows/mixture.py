"""Which row of which source is global row i: a function of the recipe and the seed, never a state.

A stage of training reads one endless stream of *global rows*. The stream is cut into blocks of K rows. How many rows of
component k lie in the first b blocks is a closed form,

    n_k(b) = floor(b K A_k / A) - floor(b K A_(k-1) / A),    A_k = a_1 + ... + a_k,  A = A_m,

where a_k is the component's weight as an integer. The counts sum to b K exactly and stay within one row of b K w_k,
w_k = a_k / A, because each of the two floors loses less than one row. They never fall from one block to the next
because K is chosen so that K w_k >= 1 for the smallest weight: the increment is an integer above K w_k - 2 >= -1.
All arithmetic is on Python's integers, so that it is exact at any length of run.

Inside a block the K slots are shuffled by (key, block). A component's own rows come in an order that is a permutation
for each epoch: runs of `READ_BLOCK` neighbouring rows stay together, so that the storage sees nearly sequential reads,
the runs are permuted, and so are the rows inside each. The order starts at another row in every epoch.

`Mixture.locate` therefore finds any global row without reading the ones before it, and a batch, a rank, a micro-batch
or a restart only ever asks for other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import lcm

import numpy as np

from corpus.rows.permutation import Indices, Permutation, derive_key

SMALLEST_BLOCK = 1024
"""Rows of a block of the mixture, unless a small weight asks for more."""
READ_BLOCK = 256
"""Neighbouring rows of a source that are read together: half a megabyte at 1024 tokens of two bytes."""


def source_order(rows: int, occurrences: Indices, key: bytes) -> Indices:
    """Return the row of a source read at each occurrence (int64[n], 0 = the first row ever drawn from it).

    Every `rows` consecutive occurrences, an epoch, hold each row exactly once.
    """
    result = np.empty_like(occurrences)
    epochs = occurrences // rows
    for epoch in np.unique(epochs):
        here = epochs == epoch
        result[here] = _epoch_order(rows, occurrences[here] - epoch * rows, derive_key(key.hex(), "epoch", int(epoch)))
    return result


def _epoch_order(rows: int, places: Indices, key: bytes) -> Indices:
    whole = rows // READ_BLOCK
    blocked = whole * READ_BLOCK
    start = int.from_bytes(derive_key(key.hex(), "start")[:8], "little") % rows
    order = np.empty_like(places)
    inside = places < blocked
    blocks = Permutation(whole, derive_key(key.hex(), "blocks"))(places[inside] // READ_BLOCK)
    within = Permutation(READ_BLOCK, derive_key(key.hex(), "within"))(places[inside] % READ_BLOCK)
    order[inside] = blocks * READ_BLOCK + within
    rest = Permutation(rows - blocked, derive_key(key.hex(), "rest"))(places[~inside] - blocked)
    order[~inside] = blocked + rest
    return (order + start) % rows


@dataclass(frozen=True)
class Mixture:
    """An endless stream of rows from several components.

    Attributes:
        rows: How many rows each component has; every one above zero.
        weights: Share of each component in proportion, exact; every one above zero.
        key: Chooses all orders; see `corpus.rows.permutation.derive_key`.
    """

    rows: tuple[int, ...]
    weights: tuple[Fraction, ...]
    key: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for an empty mixture, a component without rows or a weight that is not positive."""
        if not self.rows or len(self.rows) != len(self.weights):
            raise ValueError("a mixture needs as many weights as components, and at least one")
        if min(self.rows) < 1 or min(self.weights) <= 0:
            raise ValueError("every component of a mixture needs rows and a weight above zero")

    @cached_property
    def _cumulative(self) -> list[int]:
        """The integers A_0 = 0, A_1, ..., A_m = A."""
        denominator = lcm(*(weight.denominator for weight in self.weights))
        integers = [int(weight * denominator) for weight in self.weights]
        return list(accumulate(integers, initial=0))

    @cached_property
    def shares(self) -> tuple[Fraction, ...]:
        """The weights w_k, which sum to one."""
        total = sum(self.weights, Fraction(0))
        return tuple(weight / total for weight in self.weights)

    @cached_property
    def block(self) -> int:
        """Rows K of a block: the smallest power of two with K w_k >= 1 for every k, at least `SMALLEST_BLOCK`."""
        needed = -(-1 // min(self.shares))
        return max(SMALLEST_BLOCK, 1 << (needed - 1).bit_length())

    def counts(self, blocks: int) -> list[int]:
        """Return how many rows of each component lie in the first `blocks` blocks: n_k(b)."""
        total = self._cumulative[-1]
        edges = [blocks * self.block * edge // total for edge in self._cumulative]
        return [after - before for before, after in pairwise(edges)]

    def locate(self, global_rows: Indices) -> tuple[Indices, Indices]:
        """Return (component int64[n], row inside that component int64[n]) of int64[n] global rows >= 0."""
        components = np.empty_like(global_rows)
        occurrences = np.empty_like(global_rows)
        blocks = global_rows // self.block
        for block in np.unique(blocks):
            here = blocks == block
            slots = self._shuffled(int(block), global_rows[here] % self.block)
            before, after = self.counts(int(block)), self.counts(int(block) + 1)
            edges = np.cumsum([0] + [b - a for a, b in zip(before, after, strict=True)])
            component = np.searchsorted(edges, slots, side="right") - 1
            components[here] = component
            occurrences[here] = slots - edges[component] + np.asarray(before, dtype=np.int64)[component]
        rows = np.empty_like(global_rows)
        for component in np.unique(components):
            here = components == component
            key = derive_key(self.key.hex(), "component", int(component))
            rows[here] = source_order(self.rows[component], occurrences[here], key)
        return components, rows

    def _shuffled(self, block: int, slots: Indices) -> Indices:
        return Permutation(self.block, derive_key(self.key.hex(), "block", block))(slots)
