"""How random a batch is, and how sequential its reading: the data order beside a full shuffle and reading in order.

`python -m benchmarks.order`. Nothing is read: the order is a function. Sources of the sizes below are drawn by equal
factors, so that a source's share is that of its rows, and batches are looked at anywhere in the first epoch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import print_table
from common.errors import run_command
from corpus.rows.keys import derive_key
from corpus.rows.mixture import Mixture
from corpus.rows.order import SourceOrder, block_count
from corpus.rows.permutation import Permutation

LENGTH = 1024
BATCH_ROWS = 3072
ROWS = (40_000_000, 10_000_000, 4_000_000, 1_000_000, 250_000, 60_000, 15_000, 4_000)
"""Rows of the sources: 40 billion tokens down to 4 million."""
REGIONS = 64
"""Equal parts of a source in which the places of its rows are counted."""

Order = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of a distribution given by counts, in bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def ways(rows: int, number: int) -> dict[str, Order]:
    """Return three orders of a source's rows, by name."""
    key = derive_key(0, "source", number)
    return {
        "ours": SourceOrder(rows, block_count(rows * LENGTH), key, str(LENGTH)),
        "full shuffle": Permutation(rows, key),
        "in order": lambda occurrences: occurrences,
    }


def look(batches: int, seed: int = 0) -> list[list[str]]:
    """Return a line for each order: entropies over `batches` batches, and how far apart the rows of a source lie."""
    chance = np.random.default_rng(seed)
    orders = tuple(SourceOrder(rows, 1, bytes([number]), "") for number, rows in enumerate(ROWS))
    mixture = Mixture(orders, (0,) * len(ROWS), tuple(map(Fraction, ROWS)), derive_key(seed, "order"))
    begins = chance.integers(0, sum(ROWS) - BATCH_ROWS, batches)
    drawn = np.array([np.subtract(mixture.drawn(begin + BATCH_ROWS), mixture.drawn(begin)) for begin in begins])
    sources = float(np.mean([entropy(counts) for counts in drawn]))
    wanted = entropy(np.array(ROWS))
    lines = []
    for name in ways(1, 0):
        places, runs = [], []
        for begin, counts in zip(begins.tolist(), drawn, strict=True):
            rows, count = ROWS[0], int(counts[0])
            first = mixture.drawn(begin)[0]
            found = ways(rows, 0)[name](np.arange(first, first + count))
            places.append(entropy(np.bincount(found * REGIONS // rows, minlength=REGIONS)))
            runs.append(len(np.unique(found // (rows // block_count(rows * LENGTH)))))
        cells = [f"{sources:.3f} of {wanted:.3f}", f"{np.mean(places):.2f} of {np.log2(REGIONS):.0f}"]
        lines.append([name, *cells, f"{np.mean(runs):.0f}"])
    return lines


def main() -> None:
    """Print the table."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--batches", type=int, default=50, help="batches that are looked at (default: 50)")
    header = ["order", "sources, bits", "places, bits", "runs of 8 MB"]
    print_table(header, look(made.parse_args().batches))


if __name__ == "__main__":
    run_command(main)
