"""A line of JSON or a row of a table becomes a document, or the reason why it is none.

Of a record, the text and the other scalar fields are kept: strings, booleans, finite numbers. Nulls are left out, and
nested values that the recipe does not name (`corpus.sources.fields`). `orjson` parses; where it refuses a line, rounds
a number, or would take the last of two fields of one name, Python's `json` has the last word, so that what is a
document, and the reason of a reject, is what `json` says.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Any, NoReturn

import orjson

from corpus.sources.fields import OneMissingError, Wanted, names_in

Fields = dict[str, str | int | float | bool]

EXCERPT_CHARACTERS = 80
ROUNDED = 2.0**63
"""`orjson` gives integers beyond 64 bits as floats, of at least this size."""


@dataclass(slots=True)
class Document:
    """A text of at least one character, encodable as UTF-8, and where it was read. `line` counts from 1."""

    text: str
    fields: Fields
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is no document. `excerpt` is its beginning, safe to print."""

    file: str
    line: int
    reason: str
    excerpt: str
    fields: str = ""
    """Names of the fields that it has, safe to print, where the reason is that one is missing."""


@dataclass(slots=True)
class Batch:
    """Records of one file that follow one another: the documents, in order, and the rejects between them, in order."""

    file: str
    texts: list[bytes] = field(default_factory=list)
    """UTF-8."""
    characters: list[int] = field(default_factory=list)
    """Of each text."""
    fields: list[Fields] = field(default_factory=list)
    """Of each text; whoever is given the batch may change them."""
    lines: list[int] = field(default_factory=list)
    """Of each text."""
    rejects: list[Reject] = field(default_factory=list)

    def add(self, texts: Sequence[str], fields: Iterable[Fields], lines: Iterable[int]) -> None:
        """Add documents."""
        self.texts += [text.encode() for text in texts]
        self.characters += map(len, texts)
        self.fields += fields
        self.lines += lines

    def where(self, chosen: Sequence[bool]) -> Batch:
        """Return the documents that are chosen, without the rejects."""
        texts, characters = list(compress(self.texts, chosen)), list(compress(self.characters, chosen))
        fields, lines = list(compress(self.fields, chosen)), list(compress(self.lines, chosen))
        return Batch(self.file, texts, characters, fields, lines)

    def with_texts(self, texts: list[bytes]) -> Batch:
        """Return the documents with other texts, in UTF-8, without the rejects."""
        pairs = zip(self.texts, self.characters, texts, strict=True)
        characters = [count if after is before else len(after.decode()) for before, count, after in pairs]
        return Batch(self.file, texts, characters, self.fields, self.lines)

    def records(self) -> list[Document | Reject]:
        """Return the records one by one, in the order of their lines."""
        rows = zip(self.texts, self.fields, self.lines, strict=True)
        documents = [Document(text.decode(), fields, self.file, line) for text, fields, line in rows]
        return sorted([*documents, *self.rejects], key=lambda record: record.line)


class UnusableError(Exception):
    """A record that is no document; the text is the reason."""

    def __init__(self, reason: str, fields: str = "") -> None:
        """Name the fields that the record has, where the reason is that one is missing."""
        super().__init__(reason)
        self.fields = fields


def parse_lines(lines: Sequence[bytes], wanted: Wanted) -> tuple[list[str], list[Fields]] | None:
    """Return the texts and the fields of lines if each is a document in every respect ordinary, else None.

    What it returns is what `parse_line` says of each line, for half the time.
    """
    try:
        records = list(map(orjson.loads, lines))
        texts = list(map(wanted.taker(), records))
        for record in records if wanted.lifted else ():
            wanted.lift(record)
        values = list(chain.from_iterable(record.values() for record in records))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None
    kinds = set(map(type, values))
    if not all(texts) or set(map(type, texts)) != {str} or (float in kinds and any(map(_is_rounded, values))):
        return None
    if wanted.may_stand_twice(lines):
        return None
    return texts, records if kinds <= {str, int, bool, float} else list(map(_scalars, records))


def parse_line(line: bytes, wanted: Wanted) -> tuple[str, Fields]:
    """Return the text of a line, and its fields.

    Raises:
        UnusableError: "malformed JSON", "NaN is no JSON" (or Infinity), "not an object", "bad UTF-8", "no text"
            (absent, null or empty), "no text in fi" (of several fields, the first without a string), "text is not a
            string", "two fields text" (or another that is wanted), or "lone surrogate" (a JSON escape that UTF-8
            cannot hold).
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _parse_exactly(line, wanted)
    if type(record) is not dict:
        raise UnusableError("not an object")
    if wanted.may_stand_twice([line]):
        return _parse_exactly(line, wanted)
    text = _take_text(record, wanted)
    if any(map(_is_rounded, record.values())):
        return _parse_exactly(line, wanted)
    return text, _scalars(record)


def _is_rounded(value: Any) -> bool:
    return type(value) is float and not -ROUNDED < value < ROUNDED


class _Object(dict[str, Any]):
    """An object of JSON that knows how often each name stands in it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.names = Counter(name for name, _ in pairs) if len(pairs) > len(self) else Counter[str]()


def _parse_exactly(line: bytes, wanted: Wanted) -> tuple[str, Fields]:
    """Parse with `json`, which tells one reason from another and keeps every digit of an integer."""
    try:
        record = _DECODER.decode(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UnusableError("bad UTF-8") from None
    except (ValueError, RecursionError):
        raise UnusableError("malformed JSON") from None
    if not isinstance(record, _Object):
        raise UnusableError("not an object")
    if (twice := wanted.first_twice(record.names)) is not None:
        raise UnusableError(f"two fields {twice}")
    text = _take_text(record, wanted)
    fields = _scalars(record)
    if b"\\u" in line:
        _refuse_lone_surrogates(text, fields)
    return text, fields


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableError(f"{name.lstrip('-')} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_Object)


def parse_row(row: dict[str, Any], wanted: Wanted) -> tuple[str, Fields]:
    """Return the text and the fields of a row, whose strings are bytes. Raises `UnusableError` as `parse_line` does.

    A score that is no finite number stays, for a filter to tell.
    """
    record = dict(row)
    taken = _take_text(record, wanted)
    try:
        text = taken.decode()
        fields = {name: value.decode() if isinstance(value, bytes) else value for name, value in record.items()}
    except UnicodeDecodeError:
        raise UnusableError("bad UTF-8") from None
    scores = {name: fields[name] for name in wanted.scores if isinstance(fields.get(name), float)}
    return text, _scalars(fields) | scores


def excerpt(value: Any) -> str:
    """Return the beginning of a record without what could steer a terminal."""
    raw = value[: 4 * EXCERPT_CHARACTERS] if isinstance(value, str | bytes) else str(value)
    shown = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    return "".join(c if c.isprintable() else " " for c in shown.strip()[:EXCERPT_CHARACTERS])


def _take_text(record: dict[str, Any], wanted: Wanted) -> Any:
    """Take the text out of a record, a string or UTF-8, and put what else is wanted at its top."""
    try:
        text = wanted.taker()(record)
    except OneMissingError as error:
        raise UnusableError(f"no text in {error.name}", names_in(record)) from None
    except KeyError:
        text = None
    if text is None or text == "" or text == b"":
        raise UnusableError("no text", names_in(record))
    if not isinstance(text, str | bytes):
        raise UnusableError("text is not a string")
    wanted.lift(record)
    return text


def _scalars(record: dict[str, Any]) -> Fields:
    return {
        name: value
        for name, value in record.items()
        if isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value))
    }


def _refuse_lone_surrogates(text: str, fields: Fields) -> None:
    try:
        text.encode()
        for name, value in fields.items():
            name.encode()
            str(value).encode()
    except UnicodeEncodeError:
        raise UnusableError("lone surrogate") from None
