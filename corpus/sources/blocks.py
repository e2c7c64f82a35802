"""Decoded bytes of a span of text, plain or compressed, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from common.errors import UserError
from corpus.sources.decoding import BLOCK, DAMAGE, decoded
from corpus.sources.frames import FrameDecoder
from corpus.sources.kinds import magic_of
from corpus.sources.reading import SpanReader

Blocks = Iterator[tuple[bytes, bool]]


class BlockReader(SpanReader):
    """Reads decoded bytes: of a plain file those of the span, of Zstandard the frames that begin in it, else all."""

    damage = DAMAGE

    def _blocks(self) -> Blocks:
        """Yield blocks of about `BLOCK` bytes: few enough for the processor's cache, and many."""
        compression = self.span.kind.compression
        if compression == "zst":
            yield from self._frames()
        elif compression:
            yield from ((block, True) for block in decoded(self.path, compression))
        else:
            yield from self._plain()

    def _plain(self) -> Blocks:
        with self.path.open("rb", 0) as stream:
            if looks := magic_of(stream.read(8)):
                suffix = f"{self.span.kind.suffix}.{looks}" if looks in ("gz", "zst", "xz", "bz2") else f".{looks}"
                raise UserError(f"{self.path} is not plain text but looks like {suffix}; rename it to end so.")
            at = stream.seek(self.span.start)
            while block := stream.read(min(BLOCK, self.span.end - at) if at < self.span.end else BLOCK):
                yield block, at < self.span.end
                at += len(block)

    def _frames(self) -> Blocks:
        with closing(FrameDecoder(self.path, self.span.start, self.span.end)) as decoder:
            for block in _gathered(decoder.decoded()):
                self.frames = decoder.frames
                yield block
            self.frames = decoder.frames


def _gathered(pieces: Blocks) -> Blocks:
    """Yield the same bytes, where they are in the span, in blocks of about `BLOCK`."""
    held: list[bytes] = []
    size = 0
    for piece, inside in pieces:
        if held and (size + len(piece) > BLOCK or not inside):
            yield b"".join(held), True
            held, size = [], 0
        if inside and len(piece) <= BLOCK:
            held.append(piece)
            size += len(piece)
        else:
            for start in range(0, len(piece), BLOCK):
                yield piece[start : start + BLOCK], inside
    if held:
        yield b"".join(held), True
