"""Fields of a record by name or by path: `text`, `translation.fi`, `doc_scores.0`.

A field of just that name comes first, so that names with dots in them stay names. Else the part before the first dot
is a field, and the rest is looked for in what it holds: by name in an object, by number from 0 in a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import methodcaller
from typing import Any

SHOWN_NAMES = 20
MAX_DEPTH = 4


class OneMissingError(KeyError):
    """Of several fields that make a text together, one holds none."""

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Wanted:
    """Which fields of a record are looked for, each by its name or by a path."""

    text: str | tuple[str, ...] = "text"
    """Of several, each must hold text, and the texts joined by newlines are the document."""
    id: str = "id"
    scores: tuple[str, ...] = ()

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Those that hold text."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @cached_property
    def lifted(self) -> tuple[str, ...]:
        """Those that may lie deeper in a record, besides the text."""
        return self.scores + ((self.id,) if "." in self.id else ())

    @cached_property
    def tops(self) -> tuple[str, ...]:
        """Names of the fields at the top of a record that hold the text and the scores, as far as paths tell."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in (*self.texts, *self.scores)))

    @cached_property
    def suspects(self) -> tuple[re.Pattern[bytes], ...]:
        """Patterns of which a line of JSON holds one more than once if it holds one of those fields twice.

        Inside a string each quote has a backslash before it, so that a name with its colon is hardly ever part of one.
        """
        return tuple(re.compile(re.escape(f'"{name}"'.encode()) + rb"\s*:") for name in self.tops)

    def may_stand_twice(self, lines: Sequence[bytes]) -> bool:
        """Tell whether a field of the text or of a score may stand twice in one of the lines."""
        return any(max(map(len, map(suspect.findall, lines)), default=0) > 1 for suspect in self.suspects)

    def first_twice(self, names: Mapping[str, int]) -> str | None:
        """Return the first name that stands more than once at the top of a record, given how often each does."""
        return next((name for name in self.tops if names.get(name, 0) > 1), None)

    def taker(self) -> Callable[[dict[str, Any]], Any]:
        """Return a function that takes the text out of a record and returns it.

        It raises `KeyError` or `TypeError` if there is none or it is given no record, `OneMissingError` if one of
        several fields holds none; then the record stays as it is.
        """
        if len(self.texts) > 1:
            return self._take_all
        (name,) = self.texts

        def take(record: dict[str, Any]) -> Any:
            return record.pop(name) if name in record else value_at(record, name)

        return take if "." in name else methodcaller("pop", name)

    def _take_all(self, record: dict[str, Any]) -> str | bytes:
        texts = [value_at(record, name) for name in self.texts]
        for name, text in zip(self.texts, texts, strict=True):
            if not text or not isinstance(text, str | bytes):
                raise OneMissingError(name)
        for name in self.texts:
            record.pop(name, None)
        return (b"\n" if isinstance(texts[0], bytes) else "\n").join(texts)

    def lift(self, record: dict[str, Any]) -> None:
        """Put what is wanted besides the text at the top of a record, under its path.

        A list of numbers counts as a score by its first one.
        """
        found = {name: value_at(record, name) for name in self.lifted}
        for name, value in found.items():
            if isinstance(value, list) and name in self.scores:
                value = value[0] if value else None
            if value is not None:
                record[name] = value


def value_at(record: Any, name: str) -> Any:
    """Return what a record holds under a name, or else at the path that the name is; None if there is nothing."""
    if isinstance(record, dict) and name in record:
        return record[name]
    first, dot, rest = name.partition(".")
    if isinstance(record, dict):
        return value_at(record.get(first), rest) if dot else None
    if isinstance(record, list) and re.fullmatch("[0-9]{1,9}", first) and int(first) < len(record):
        return value_at(record[int(first)], rest) if dot else record[int(first)]
    return None


def names_in(record: Mapping[str, Any]) -> str:
    """Return the names of a record's fields, and the paths of those in objects, safe to print; some of many."""
    found = list(_paths(record))
    more = [f"{len(found) - SHOWN_NAMES} more"] if len(found) > SHOWN_NAMES else []
    return ", ".join(found[:SHOWN_NAMES] + more)


def _paths(record: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    for name, value in record.items():
        shown = "".join(c if c.isprintable() else " " for c in name[:60])
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            yield from (f"{shown}.{path}" for path in _paths(value, depth + 1))
        else:
            yield shown
