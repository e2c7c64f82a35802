"""Whole files of bytes, decoded from their beginning to their end in pieces, whatever compressed them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import zstandard

from corpus.sources.frames import FrameDecoder

DAMAGE = (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, lzma.LZMAError)
"""What decoders raise on a damaged file, besides `EOFError` and, of bz2, `OSError` without a number."""
BLOCK = 2**19
MAX_MEMORY = 2**31
"""Bytes that the dictionary of an .xz may ask for."""
FOUR_ZEROS = bytes(4)


def decoded(path: Path, compression: str) -> Iterator[bytes]:
    """Yield the decoded bytes of a file in pieces.

    Raises:
        EOFError: the file is cut short.
        zstandard.ZstdError, zlib.error, lzma.LZMAError, OSError: it is damaged.
    """
    if compression == "zst":
        with closing(FrameDecoder(path, 0, 1)) as decoder:
            yield from (block for block, _ in decoder.decoded())
    elif compression == "xz":
        yield from _streams(path, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY))
    elif compression == "bz2":
        yield from _streams(path, bz2.BZ2Decompressor)
    else:
        with gzip.open(path, "rb") if compression == "gz" else open(path, "rb", 0) as stream:
            while block := stream.read(BLOCK):
                yield block


def _streams(path: Path, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> Iterator[bytes]:
    """Yield what the streams of a file hold; what follows the last one is damage, but for the zeros that .xz allows."""
    with open(path, "rb", 0) as file:
        ready = file.read(BLOCK)
        while ready:
            stream = new()
            while not stream.eof:
                if stream.needs_input and not ready and not (ready := file.read(BLOCK)):
                    raise EOFError
                piece, ready = stream.decompress(ready if stream.needs_input else b"", BLOCK), b""
                if piece:
                    yield piece
            ready = stream.unused_data or file.read(BLOCK)
            while ready.startswith(FOUR_ZEROS) and isinstance(stream, lzma.LZMADecompressor):
                ready = ready.removeprefix(FOUR_ZEROS) or file.read(BLOCK)
