"""Some documents of a source, spread over its files and, where a file can be entered in its middle, over each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpus.sources.kinds import PlainText
from corpus.sources.readers import Batch, Fields, Place, Span, UnitReader, Wanted, plan
from corpus.sources.spans import whole

SPOTS = 64
"""Places at which reading begins, at most."""
READ_BYTES = 2**25
"""Of text that is read of a source, about; the documents are taken from it at equal distances."""
MIN_SPAN_BYTES, MAX_SPAN_BYTES = 2**16, 2**24


@dataclass
class Spread:
    """Documents of a source, in the order of its files. The same files and number give the same documents."""

    texts: list[bytes] = field(default_factory=list)
    """UTF-8."""
    characters: list[int] = field(default_factory=list)
    fields: list[Fields] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    """Where each was read, for people."""
    read: int = 0
    """Documents that were read, of which these are some."""
    rejected: int = 0
    """Malformed records among what was read."""
    all: bool = True
    """Whether the source has no other documents than those that were read."""


def read_spread(paths: Sequence[Path], plain_text: PlainText, wanted: Wanted, documents: int) -> Spread:
    """Return at most so many documents of some files. Raises `UserError` for a file that cannot be read."""
    spans = _spans(paths, plain_text)
    count = min(SPOTS, len(spans))
    spots = [_Spot(spans[number * len(spans) // count], wanted) for number in range(count)]
    budget, waiting = READ_BYTES, spots
    while waiting and budget > 0:
        # What a spot has not used, since its span ended, is left to the others.
        share = max(budget // len(waiting), 1)
        budget -= sum(spot.read(share) for spot in waiting)
        waiting = [spot for spot in waiting if not spot.done]
    found = [document for spot in spots for document in spot.documents()]
    spread = Spread(read=len(found), rejected=sum(spot.rejected for spot in spots))
    spread.all = not waiting and len(spots) == len(spans)
    count = min(documents, len(found))
    for number in range(count):
        text, characters, fields, place = found[number * len(found) // count]
        spread.texts.append(text)
        spread.characters.append(characters)
        spread.fields.append(fields)
        spread.places.append(place)
    return spread


def _spans(paths: Sequence[Path], plain_text: PlainText) -> list[Span]:
    """Return the spans of all files, each of one file."""
    text = sum(span.size * span.kind.text_per_byte for span in (whole(path, plain_text) for path in paths))
    size = min(max(text // SPOTS, MIN_SPAN_BYTES), MAX_SPAN_BYTES)
    return [span for path in paths for unit in plan([path], size, plain_text) for span in unit]


class _Spot:
    """A span that is read from its beginning on, a little at a time."""

    def __init__(self, span: Span, wanted: Wanted) -> None:
        self._span = span
        self._reader = UnitReader((span,), wanted, 0, Place())
        self._batches = self._reader.batches()
        self._found: list[Batch] = []
        self.rejected = 0
        self.done = False

    def read(self, size: int) -> int:
        """Read about so many bytes of text more; return how many they were."""
        before = self._reader.consumed
        self._reader.stop_at(before + size)
        while self._reader.consumed < before + size:
            batch = next(self._batches, None)
            if batch is None:
                self.done = True
                break
            self.rejected += len(batch.rejects)
            self._found.append(batch)
        return self._reader.consumed - before

    def documents(self) -> Iterator[tuple[bytes, int, Fields, str]]:
        """Yield text, characters, fields and place of each document."""
        after = f" after byte {self._span.start:,}" if self._span.start else ""
        for batch in self._found:
            for text, characters, fields, line in zip(
                batch.texts, batch.characters, batch.fields, batch.lines, strict=True
            ):
                yield text, characters, fields, f"{batch.file} line {line:,}{after}"
