"""A line of JSON or a row of a table becomes a document, or the reason why it is none.

Of a record, the text and the other scalar fields are kept: strings, booleans, finite numbers. Nested values and nulls
are left out. `orjson` parses; where it refuses a line, or rounds a number, Python's `json` has the last word, so that
what is a document, and the reason of a reject, is what `json` says.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

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
    raw: bytes | None = field(default=None, compare=False, repr=False)
    """The JSON object that it was read from, where that holds the text and the fields and nothing else."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is no document. `excerpt` is its beginning, safe to print."""

    file: str
    line: int
    reason: str
    excerpt: str


class UnusableError(Exception):
    """A record that is no document; the text is the reason."""


def parse_line(line: bytes, text_field: str) -> tuple[str, Fields, bool]:
    """Return the text of a line, its fields, and whether the line holds these and nothing else.

    Raises:
        UnusableError: "malformed JSON", "not an object", "bad UTF-8", "no text" (absent, null or empty), "text is not
            a string", or "lone surrogate" (a JSON escape that UTF-8 cannot hold).
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return *_parse_exactly(line, text_field), False
    if type(record) is not dict:
        raise UnusableError("not an object")
    text = _text(record.pop(text_field, None))
    plain = True
    for value in record.values():
        kind = type(value)
        if kind is float and not -ROUNDED < value < ROUNDED:
            return *_parse_exactly(line, text_field), False
        plain = plain and (kind is str or kind is int or kind is bool or kind is float)
    return text, record if plain else _scalars(record), plain


def _parse_exactly(line: bytes, text_field: str) -> tuple[str, Fields]:
    """Parse with `json`, which tells one reason from another and keeps every digit of an integer."""
    try:
        record = _DECODER.decode(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UnusableError("bad UTF-8") from None
    except (ValueError, RecursionError):
        raise UnusableError("malformed JSON") from None
    if not isinstance(record, dict):
        raise UnusableError("not an object")
    text = _text(record.pop(text_field, None))
    fields = _scalars(record)
    if b"\\u" in line:
        _refuse_lone_surrogates(text, fields)
    return text, fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def parse_row(row: dict[str, Any], text_field: str) -> tuple[str, Fields]:
    """Return the text and the fields of a row, whose strings are bytes. Raises `UnusableError` as `parse_line` does."""
    try:
        record = {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}
    except UnicodeDecodeError:
        raise UnusableError("bad UTF-8") from None
    text = _text(record.pop(text_field))
    return text, _scalars(record)


def excerpt(value: Any) -> str:
    """Return the beginning of a record without what could steer a terminal."""
    raw = value[: 4 * EXCERPT_CHARACTERS] if isinstance(value, str | bytes) else str(value)
    shown = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    return "".join(c if c.isprintable() else " " for c in shown.strip()[:EXCERPT_CHARACTERS])


def _text(value: Any) -> str:
    if value is None or value == "":
        raise UnusableError("no text")
    if not isinstance(value, str):
        raise UnusableError("text is not a string")
    return value


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
