"""Writes and reads rows with litdata, under a Python that has it.

`python with_litdata.py write FOLDER TOKENS ENDS` makes a data set of the rows that two .npy hold: uint16 tokens one row
after the other, and int64[r], where each row ends in them. `python with_litdata.py read FOLDER ORDER` reads rows and
prints what `with_row_reader.py` prints.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from litdata import StreamingDataset, optimize


class Row:
    """Gives row i of the arrays; a class, since litdata pickles it for its workers."""

    def __init__(self, tokens: str, ends: str) -> None:
        """Map the arrays."""
        self.tokens, self.ends = np.load(tokens, mmap_mode="r"), np.load(ends)

    def __call__(self, row: int) -> dict[str, np.ndarray]:
        """Return a row."""
        begin = self.ends[row - 1] if row else 0
        return {"tokens": np.array(self.tokens[begin : self.ends[row]])}


def read(folder: str, order: str) -> None:
    """Read the rows of an order."""
    rows = np.load(order).tolist()
    wall, processor, before = time.perf_counter(), time.process_time(), disk_bytes()
    data = StreamingDataset(folder, shuffle=False)
    tokens = sum(len(data[row]["tokens"]) for row in rows)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - processor, disk_bytes() - before, tokens]))


def disk_bytes() -> int:
    """Return the bytes that this process has had fetched from storage so far."""
    found = re.search(r"^read_bytes: (\d+)$", Path("/proc/self/io").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    if sys.argv[1] == "write":
        given = Row(*sys.argv[3:5])
        optimize(given, list(range(len(given.ends))), sys.argv[2], chunk_bytes="64MB", num_workers=1, verbose=False)
    else:
        read(*sys.argv[2:4])
