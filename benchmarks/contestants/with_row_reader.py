"""Reads rows with `corpus.rows.store.RowReader`: `python -m benchmarks.contestants.with_row_reader INDEX ORDER`.

ORDER is a .npy of row numbers, int64[n]. Prints, as JSON, seconds and processor seconds from opening to the last of
them, bytes that the disk had to give, and the tokens that were read.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from corpus.rows.store import RowReader


def main(index: Path, order: Path) -> None:
    """Read the rows of an order."""
    rows = np.load(order).tolist()
    wall, processor, before = time.perf_counter(), time.process_time(), disk_bytes()
    reader = RowReader(index)
    tokens = sum(len(reader.row(row)[0].copy()) for row in rows)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - processor, disk_bytes() - before, tokens]))


def disk_bytes() -> int:
    """Return the bytes that this process has had fetched from storage so far (`read_bytes` in proc_pid_io(5))."""
    found = re.search(r"^read_bytes: (\d+)$", Path("/proc/self/io").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
