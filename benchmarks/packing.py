"""Measure packing: slots that hold tokens, tokens that are lost, documents that are cut, how far apart a row's ids lie.

Rows of `corpus.rows.packing` stand beside what other rules make of the same documents (`benchmarks.packing_rules`). The
spread of a row is the distance from its first id to its last in the shard, at two bytes an id: what the storage reads.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import conditions, parser, print_table, read_text, train_encoder
from benchmarks.packing_rules import rule_rows
from common.errors import run_command
from corpus.rows.packing import SPECIALS, pack

VOCABULARY = 27_224
LENGTHS = (128, 1024, 8192)


def spread_row(counts: NDArray[np.int64], length: int) -> list[str]:
    """Return, for documents of `counts` ids, int64[d], how far apart the ids of a row lie: half of the rows, 99 %."""
    packed = pack(np.cumsum(counts) - counts, counts, length)
    begins = np.concatenate([[0], packed.ends[:-1]])
    first = np.minimum.reduceat(packed.pieces.start, begins)
    last = np.maximum.reduceat(packed.pieces.start + packed.pieces.count, begins)
    spread = np.quantile(2 * (last - first), [0.5, 0.99]) / 1e6
    longer = (counts > length - SPECIALS).mean()
    return [f"{length:,}", f"{spread[0]:.2f}", f"{spread[1]:.2f}", f"{longer:.1%}"]


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the table."""
    text = read_text(arguments.data)
    encoder = train_encoder(text, VOCABULARY)
    counts = np.array([len(ids) for _, ids in encoder.encode(text.documents)])
    header = ["slots of a row, rule", "filled", "tokens lost", "documents cut that fit"]
    print_table(header, [row for length in LENGTHS for row in rule_rows(counts, length)])
    print()
    header = ["slots of a row", "ids of half the rows within MB", "of 99 %", "longer than a row"]
    print_table(header, [spread_row(counts, length) for length in LENGTHS])
    print(f"\n{encoder.vocabulary:,} entries in the tokenizer, {counts.sum():,} tokens.")
    print(conditions(text, 1))


if __name__ == "__main__":
    made = parser(__doc__, rounds=1)
    run_command(lambda: main(made.parse_args()))
