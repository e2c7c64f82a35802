"""JSON Lines in Zstandard files: read to the last frame or with an error, and written to the same bytes each time."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from common.files import atomic_file

LEVEL = 3
CHUNK = 16_384
"""Compressed bytes decoded at a time. Zstandard expands at most some 30,000-fold, so this bounds the memory."""
MAX_WINDOW = 2**31
"""The largest window that `zstd --long` writes, in bytes."""

Write = Callable[[Mapping[str, Any]], None]


@contextmanager
def atomic_jsonl_zst(path: Path) -> Iterator[Write]:
    """Give a function that writes one JSON object a line; `path` appears, whole, when the block ends without error.

    Equal objects in equal order give equal bytes.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, write_checksum=True, threads=0)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with atomic_file(path) as stream, compressor.stream_writer(stream, closefd=False) as compressed:

        def write(record: Mapping[str, Any]) -> None:
            compressed.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")

        yield write


def open_zstd(path: Path) -> io.BufferedReader:
    """Open a Zstandard file for reading bytes, all its frames as one stream.

    `zstandard.open` ends quietly where a file is cut short, and refuses windows above 128 MiB; this takes any window
    that the format's long mode writes. Reading raises `EOFError` at a frame without an end and `zstandard.ZstdError`
    at damage.
    """
    return io.BufferedReader(_Frames(path), 2**18)


class _Frames(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb", 0)
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = self._frame.unused_data or self._stream.read(CHUNK)
            if not chunk:
                if self._frame.eof:
                    return 0
                raise EOFError
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._ready = memoryview(self._frame.decompress(chunk))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size
