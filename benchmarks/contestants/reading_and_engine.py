"""What reading and the engine alone take: a process a core, zstandard, orjson, tokie, ids to a file, and nothing else.

`python -m benchmarks.contestants.reading_and_engine TOKENIZER OUTPUT WORKERS FILE ...` with a tokenizer.json. Nothing
is checked, counted, sampled or split, and what a kill leaves is not to be trusted: the least that any way from
`.jsonl.zst` to ids can cost with these libraries.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import tokie
import zstandard

BATCH_CHARACTERS = 1 << 21


_engines: list[Any] = []  # its stubs lack the method that is used
"""The one of this process."""


def read_engine(tokenizer: Path) -> None:
    """Read the tokenizer of this process."""
    os.environ["RAYON_NUM_THREADS"] = "1"  # looked at once, before the first text
    _engines.append(tokie.Tokenizer.from_json(str(tokenizer)))


def encode_file(path: Path, output: Path) -> None:
    """Write the ids of a file's texts, uint16, one text after the other."""
    (engine,) = _engines
    texts: list[str] = []
    size = 0
    with path.open("rb") as raw, output.open("wb") as ids:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
            texts.append(orjson.loads(line)["text"])
            size += len(texts[-1])
            if size >= BATCH_CHARACTERS:
                ids.write(engine.encode_batch_flat(texts, add_special_tokens=False)[0].astype(np.uint16).data)
                texts, size = [], 0
        if texts:
            ids.write(engine.encode_batch_flat(texts, add_special_tokens=False)[0].astype(np.uint16).data)


def main(tokenizer: Path, output: Path, workers: int, files: list[Path]) -> None:
    """Encode files, each by one of some processes."""
    tasks = [(path, output / f"{path.name}.ids") for path in files]
    with multiprocessing.get_context("fork").Pool(workers, read_engine, (tokenizer,)) as pool:
        pool.starmap(encode_file, tasks, chunksize=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
