"""Which row of which source is global row i: a function of the recipe and the seed, never a state.

A stream of training reads *global rows* without end. It is cut into blocks of K rows. How many rows of component k lie
in the first b blocks is a closed form,

    n_k(b) = floor(b K A_k / A) - floor(b K A_(k-1) / A),    A_k = a_1 + ... + a_k,  A = A_m,

where a_k is the component's weight as an integer. The counts sum to b K exactly and stay within one row of b K w_k,
w_k = a_k / A, because each of the two floors loses less than one row. They never fall from one block to the next
because K is chosen so that K w_k >= 1 for the smallest weight: the increment is an integer above K w_k - 2 >= -1.
All arithmetic is on Python's integers, so that it is exact at any length of run.

Inside a block the K places are shuffled by (key, block), and the places that fall to a component are its next rows one
after the other: however many global rows are read, of each component the first n_k rows were. Which row its n-th is,
`SourceOrder` says; the component may have been read before, and then goes on.

`Mixture.locate` therefore finds any global row without reading the ones before it, and a batch, a rank, a micro-batch
or a restart only ever asks for other numbers. It costs the time of a block, once for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import lcm
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from corpus.rows.keys import derive_key
from corpus.rows.order import SourceOrder
from corpus.rows.permutation import Indices, Permutation
from corpus.rows.weights import LARGEST_BLOCK

SMALLEST_BLOCK = 1024
"""Rows of a block of the mixture, unless a small weight asks for more."""
PLACES_AT_ONCE = 1 << 20
KEPT_BLOCKS = 4


@dataclass(frozen=True)
class Mixture:
    """An endless stream of rows from several components.

    Attributes:
        orders: The order of each component's rows.
        firsts: How many rows of each were drawn before.
        weights: Share of each component in proportion, exact; every one above zero.
        key: Chooses the order of the components; see `corpus.rows.permutation.derive_key`.
    """

    orders: tuple[SourceOrder, ...]
    firsts: tuple[int, ...]
    weights: tuple[Fraction, ...]
    key: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for an empty mixture, a component without rows or a weight that is zero or too small."""
        if not self.orders or not len(self.orders) == len(self.firsts) == len(self.weights):
            raise ValueError("a mixture needs as many weights as components, and at least one")
        if min(order.rows for order in self.orders) < 1 or min(self.weights) <= 0:
            raise ValueError("every component of a mixture needs rows and a weight above zero")
        if self.block > LARGEST_BLOCK:
            raise ValueError(f"a mixture's smallest share is less than one in {LARGEST_BLOCK:,}")
        _ = self._blocks, self._changing  # made here, before threads could make two

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

    def drawn(self, rows: int) -> list[int]:
        """Return how many rows of each component are among the first `rows` global rows."""
        blocks, places = divmod(rows, self.block)
        return [count + more for count, more in zip(self.counts(blocks), self._part(blocks, places), strict=True)]

    def locate(self, global_rows: Indices) -> tuple[Indices, Indices]:
        """Return (component int64[n], row inside that component int64[n]) of int64[n] global rows >= 0."""
        components = np.empty_like(global_rows)
        occurrences = np.empty_like(global_rows)
        blocks = global_rows // self.block
        for block in np.unique(blocks).tolist():
            here = blocks == block
            places = global_rows[here] % self.block
            component, rank = self._components(block)
            components[here] = component[places]
            occurrences[here] = rank[places] + np.asarray(self.counts(block), dtype=np.int64)[components[here]]
        rows = np.empty_like(global_rows)
        for component in np.unique(components).tolist():
            here = components == component
            rows[here] = self.orders[component](self.firsts[component] + occurrences[here])
        return components, rows

    def touched(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (component, first row, end) of the ranges of rows that hold the global rows `begin` to `end`."""
        before, after = self.drawn(begin), self.drawn(end)
        for component, order in enumerate(self.orders):
            first = self.firsts[component] + before[component]
            for range_ in order.touched(first, after[component] - before[component]):
                yield component, *range_

    @cached_property
    def _changing(self) -> Lock:
        return Lock()

    @cached_property
    def _blocks(self) -> dict[int, tuple[NDArray[np.int32], NDArray[np.int32]]]:
        return {}

    def _components(self, block: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return of each place of a block, int32[K], its component, and how many places of that come before it."""
        made = self._blocks.get(block)
        if made is None:
            made = self._shuffled(block)
            with self._changing:  # a thread reads ahead while another counts what was drawn
                while len(self._blocks) >= KEPT_BLOCKS:
                    del self._blocks[next(iter(self._blocks))]
                self._blocks[block] = made
        return made

    def _part(self, block: int, places: int) -> list[int]:
        """Return how many rows of each component are among the first places of a block.

        A block that is not read is not made for it: the side with fewer places is counted.
        """
        if (made := self._blocks.get(block)) is not None:
            part: list[int] = np.bincount(made[0][:places], minlength=len(self.orders)).tolist()
            return part
        first = places <= self.block - places
        shuffle, edges = self._shuffle(block)
        counted = np.zeros(len(self.orders), dtype=np.int64)
        begin, end = (0, places) if first else (places, self.block)
        for at in range(begin, end, PLACES_AT_ONCE):
            component = np.searchsorted(edges, shuffle(np.arange(at, min(end, at + PLACES_AT_ONCE))), side="right")
            counted += np.bincount(component, minlength=len(counted))
        part = counted.tolist()
        whole = np.diff(edges, prepend=0).tolist()
        return part if first else [all_ - rest for all_, rest in zip(whole, part, strict=True)]

    def _shuffle(self, block: int) -> tuple[Permutation, NDArray[np.int64]]:
        """Return the order of the places of a block, and where the places of each component end in it."""
        counts = [b - a for a, b in zip(self.counts(block), self.counts(block + 1), strict=True)]
        return Permutation(self.block, derive_key(self.key.hex(), "block", block)), np.cumsum(counts)

    def _shuffled(self, block: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        shuffle, edges = self._shuffle(block)
        components, ranks = np.empty(self.block, dtype=np.int32), np.empty(self.block, dtype=np.int32)
        seen = np.zeros(len(edges), dtype=np.int64)
        for begin in range(0, self.block, PLACES_AT_ONCE):
            here = slice(begin, begin + PLACES_AT_ONCE)
            component = np.searchsorted(
                edges, shuffle(np.arange(begin, min(self.block, begin + PLACES_AT_ONCE))), side="right"
            )
            order = np.argsort(component, kind="stable")
            number = np.bincount(component, minlength=len(edges))
            rank = np.arange(len(component)) - np.repeat(np.cumsum(number) - number - seen, number)
            components[here], ranks[here][order] = component, rank
            seen += number
        return components, ranks
