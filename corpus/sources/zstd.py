"""JSON Lines, written into Zstandard files, to the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import zstandard

from common.files import atomic_file

LEVEL = 1
GATHERED = 2**20
"""Bytes of lines that are compressed at a time."""

Write = Callable[[Mapping[str, Any]], None]


@contextmanager
def atomic_jsonl_zst(path: Path) -> Iterator[Write]:
    """Give a function that writes one JSON object a line; `path` appears, whole, when the block ends without error.

    Equal objects in equal order give equal bytes.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, write_checksum=True, threads=0)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with atomic_file(path) as stream, compressor.stream_writer(stream, closefd=False) as compressed:
        lines: list[bytes] = []
        size = 0

        def write(record: Mapping[str, Any]) -> None:
            nonlocal size
            line = json_line(record)
            lines.append(line)
            size += len(line)
            if size >= GATHERED:
                compressed.write(b"".join(lines))
                lines.clear()
                size = 0

        yield write
        compressed.write(b"".join(lines))


def json_line(record: Mapping[str, Any]) -> bytes:
    """Return an object of finite numbers as one line of compact UTF-8 JSON, with its newline."""
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # An integer of more than 64 bits.
        return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
