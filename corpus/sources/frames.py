"""Frames of Zstandard files: finding one in the middle of a file, and decoding those that begin in a range.

The format: RFC 8878. A frame is a magic number, a header, blocks that tell their sizes, and a checksum if the header
says so. Frames follow one another; *skippable* ones hold no data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"
"""Ends the magic number of a skippable frame, whose first byte is 0x50 to 0x5f."""
CHUNK = 16_384
"""Compressed bytes decoded at a time. Zstandard expands at most some 30,000-fold, so this bounds the memory."""
SEARCHED = 2**20
MAX_HEADER = 18
MAX_BLOCK = 2**17
MAX_WINDOW = 2**31
"""The largest window that `zstd --long` writes, in bytes."""
RLE, RESERVED = 1, 3


def find_frame(stream: BinaryIO, start: int, end: int) -> int | None:
    """Return where the first frame with data begins in bytes [start, end) of a file, or None.

    The magic number may stand inside compressed data by chance. So a frame counts if its blocks lead to the end of the
    file or to another frame: compressed data that looks so by chance would take 2^64 bytes.
    """
    at = start
    while at < end:
        stream.seek(at)
        piece = stream.read(min(SEARCHED, end - at) + len(MAGIC) - 1)
        found = piece.find(MAGIC)
        if found < 0:
            at += SEARCHED
        elif _is_frame(stream, at + found):
            return at + found
        else:
            at += found + 1
    return None


def _is_frame(stream: BinaryIO, start: int) -> bool:
    end = frame_end(stream, start)
    if end is None:
        return False
    stream.seek(end)
    following = stream.read(4)
    return not following or following == MAGIC or is_skippable(following)


def frame_end(stream: BinaryIO, start: int) -> int | None:
    """Return where the frame ends that begins at `start`, by the sizes of its blocks; None if it is no whole frame."""
    stream.seek(start)
    header = stream.read(MAX_HEADER)
    try:
        at = start + zstandard.frame_header_size(header)
        checksum = 4 if zstandard.get_frame_parameters(header).has_checksum else 0
    except zstandard.ZstdError:
        return None
    last = False
    while not last:
        stream.seek(at)
        block = int.from_bytes(stream.read(3).ljust(3, b"\xff"), "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == RESERVED or size > MAX_BLOCK:
            return None
        at += 3 + (1 if kind == RLE else size)
    at += checksum
    return at if at <= stream.seek(0, 2) else None


def is_skippable(magic: bytes) -> bool:
    """Return whether four bytes are the magic number of a skippable frame."""
    return len(magic) == 4 and magic[0] >> 4 == 5 and magic[1:] == SKIPPABLE


class FrameDecoder:
    """Decodes the frames that begin in bytes [start, end) of a file, and then those that follow.

    The range that holds byte 0 begins there, whatever stands there; another begins at its first frame with data.
    """

    def __init__(self, path: Path, start: int, end: int) -> None:  # noqa: D107
        self._stream = path.open("rb", 0)
        self._start, self._end = start, end
        self.frames: tuple[int, int] | None = None
        """Where the first frame of the range begins, and where the last one ends once that is known, else -1."""

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def decoded(self) -> Iterator[tuple[bytes, bool]]:
        """Yield decoded bytes, each time with whether they are of the range.

        Raises:
            EOFError: a frame has no end.
            zstandard.ZstdError: the file is damaged.
        """
        first = find_frame(self._stream, self._start, self._end) if self._start else 0
        if first is None:
            return
        self.frames = (first, -1)
        at = self._stream.seek(first)
        ready = b""
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        while ready := ready + self._stream.read(CHUNK) if len(ready) < 4 else ready:
            if self.frames[1] < 0 and at >= self._end and not is_skippable(ready[:4]):
                self.frames = (first, at)
            frame = decompressor.decompressobj()
            while not frame.eof:
                if not ready and not (ready := self._stream.read(CHUNK)):
                    raise EOFError
                at += len(ready)
                if content := frame.decompress(ready):
                    yield content, self.frames[1] < 0
                ready = frame.unused_data
            at -= len(ready)
        if self.frames[1] < 0:
            self.frames = (first, at)
