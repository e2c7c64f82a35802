"""What reading and the engine alone take: a process a core, zstandard, orjson, tokie, ids to a file, and nothing else.

`python -m benchmarks.contestants.reading_and_engine TOKENIZER OUTPUT WORKERS FILE ...` with a tokenizer.json. Nothing
is checked, counted, sampled or split, and what a kill leaves is not to be trusted: the least that any way from
`.jsonl.zst` to ids can cost with these libraries.
"""

from __future__ import annotations

import io
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import tokie
import zstandard

_engines: list[Any] = []  # its stubs lack the method that is used
"""The one of this process."""


def read_engine(tokenizer: Path) -> None:
    """Read the tokenizer of this process."""
    _engines.append(tokie.Tokenizer.from_json(str(tokenizer)))


def encode_file(path: Path, output: Path) -> None:
    """Write the ids of a file's texts, uint16, one text after the other."""
    (engine,) = _engines
    with path.open("rb") as raw, output.open("wb") as ids:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
            # One text a call: with more, the engine starts as many threads as there are cores.
            text = orjson.loads(line)["text"]
            ids.write(engine.encode_batch_flat([text], add_special_tokens=False)[0].astype(np.uint16).data)


def main(tokenizer: Path, output: Path, workers: int, files: list[Path]) -> None:
    """Encode files, each by one of some processes."""
    tasks = [(path, output / f"{path.name}.ids") for path in files]
    with multiprocessing.get_context("fork").Pool(workers, read_engine, (tokenizer,)) as pool:
        pool.starmap(encode_file, tasks, chunksize=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
