"""Real, parallel text for the demonstration: the interface of Home Assistant, translated by its community (Apache-2.0).

The wheel of the package `homeassistant` holds a file of strings for each of some 770 integrations and each language,
under the same keys. It is read where it lies and never installed or run. A document is an integration in one language,
a string a line; each string stands in the first integration that has it, for "Failed to connect" is in most of them. A
string that nobody has translated yet, equal to the English one, is left out of the other languages.

The text is short sentences and labels of one subject: real language, and less than a corpus of prose.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from common.errors import UserError

LANGUAGES = ("fi", "sv", "en")
ENGLISH = "en"
PARTS = {"test": 0.2, "dev": 0.3, "train": 1.0}
"""Part of the pairs -> where its share of all integrations ends, by a hash of their names."""
WORDS = 4
Strings = dict[str, dict[str, str]]
"""Integration -> key -> string; integrations in the order of their names, keys in that of the file."""


def read_strings(wheel: Path, language: str) -> Strings:
    """Return the strings of a language, without white space around them and without empty ones.

    Raises:
        UserError: `wheel` is no such wheel.
    """
    strings: Strings = {}
    try:
        with zipfile.ZipFile(wheel) as content:
            for name in sorted(content.namelist()):
                path = PurePosixPath(name)
                if path.match("homeassistant/components/*/translations/*.json") and path.stem == language:
                    strings[path.parts[2]] = dict(_flat(json.loads(content.read(name)), ""))
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"{wheel} cannot be read as a wheel ({error}); delete it, so that it is fetched again.") from None
    if not strings:
        raise UserError(f"{wheel} holds no interface in {language!r}; give the wheel of homeassistant that envs/ pins.")
    return strings


def _flat(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str) and (text := value.strip()):
            yield prefix + key, text


def translated(strings: Strings, english: Strings) -> Strings:
    """Return the strings that are not the English ones under the same key."""
    return {
        name: {key: text for key, text in own.items() if english.get(name, {}).get(key) != text}
        for name, own in strings.items()
    }


def interface(language: str, wheel: Path) -> Iterator[dict[str, Any]]:
    """Yield a record for each integration that says something new; equal `id`s after the language are parallel."""
    strings = read_strings(wheel, language)
    if language != ENGLISH:
        strings = translated(strings, read_strings(wheel, ENGLISH))
    seen: set[str] = set()
    for name, own in strings.items():
        new = [text for text in dict.fromkeys(own.values()) if text not in seen]
        seen.update(new)
        if new:
            yield {
                "id": f"interface-{language}-{name}",
                "title": name.replace("_", " "),
                "text": "\n".join(new),
                "language": language,
            }


def part_of(integration: str) -> str:
    """Return which of `PARTS` the strings of an integration are in."""
    point = int.from_bytes(hashlib.sha256(integration.encode()).digest()[:8], "big") / 2**64
    return next(part for part, end in PARTS.items() if point < end)


def parallel(wheel: Path, language: str, other: str) -> dict[str, list[tuple[str, str]]]:
    """Return part -> pairs of a string and its translation, for `PARTS`: all strings of an integration in one part.

    Strings of at least `WORDS` words that are translated in both languages, each of the first language once.
    """
    english = read_strings(wheel, ENGLISH)
    here, there = (translated(read_strings(wheel, one), english) for one in (language, other))
    pairs: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    seen: set[str] = set()
    for name, own in here.items():
        part = part_of(name)
        for key, text in own.items():
            answer = there.get(name, {}).get(key)
            if answer and answer != text and text not in seen and len(text.split()) >= WORDS:
                seen.add(text)
                pairs[part].append((text, answer))
    return pairs


COLLECTIONS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    f"interface-{language}": partial(interface, language) for language in LANGUAGES
}
