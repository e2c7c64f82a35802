"""Measure packing: slots that hold tokens, how far apart the ids of a row lie, and what padding would lose.

Rows of `corpus.rows.packing` are compared with padding, one document a row, the rest of a longer one left out. The
spread of a row is the distance from its first id to its last in the shard, at two bytes an id: what the storage reads.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import conditions, parser, print_table, read_text, train_encoder
from common.errors import run_command
from corpus.rows.packing import SPECIALS, cut_documents, pack

VOCABULARY = 27_224
LENGTHS = (128, 1024, 8192)


def packing_row(counts: NDArray[np.int64], length: int) -> list[str]:
    """Compare packing and padding of documents of `counts` ids, int64[d]; return a row of the table."""
    packed = pack(cut_documents(np.cumsum(counts) - counts, counts, length), length)
    begins = np.concatenate([[0], packed.ends[:-1]])
    first = np.minimum.reduceat(packed.pieces.start, begins)
    last = np.maximum.reduceat(packed.pieces.start + packed.pieces.count, begins)
    spread = np.quantile(2 * (last - first), [0.5, 0.99]) / 1e6
    kept = np.minimum(counts, length - SPECIALS)
    return [
        f"{length:,}",
        f"{packed.filled.sum() / (len(packed.ends) * length):.2%}",
        f"{(kept + SPECIALS).mean() / length:.1%}",
        f"{(counts > length - SPECIALS).mean():.1%}",
        f"{1 - kept.sum() / counts.sum():.1%}",
        f"{spread[0]:.2f}",
        f"{spread[1]:.2f}",
    ]


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the table."""
    text = read_text(arguments.data)
    encoder = train_encoder(text, VOCABULARY)
    counts = np.array([len(ids) for _, ids in encoder.encode(text.documents)])
    header = ["slots of a row", "filled, packed", "filled, padded", "longer than a row", "tokens lost by padding"]
    print_table([*header, "spread, MB", "of 99 %"], [packing_row(counts, length) for length in LENGTHS])
    print(f"\n{encoder.vocabulary:,} entries in the tokenizer, {counts.sum():,} tokens.")
    print(conditions(text, 1))


if __name__ == "__main__":
    made = parser(__doc__, rounds=1)
    run_command(lambda: main(made.parse_args()))
