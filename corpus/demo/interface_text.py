"""Real, parallel text for the demonstration: the interface of Home Assistant, translated by its community (Apache-2.0).

The wheel of the package `homeassistant` holds a file of strings for each of some 770 integrations and each language,
under the same keys. It is read where it lies and never installed or run. A document is an integration in one language,
a string a line; each string stands in the first integration that has it, for "Failed to connect" is in most of them. A
string that nobody has translated yet, equal to the English one, is left out of the other languages.

The text is short sentences and labels of one subject: real language, and less than a corpus of prose.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from common.errors import UserError

LANGUAGES = ("fi", "sv", "en")
ENGLISH = "en"
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


COLLECTIONS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    f"interface-{language}": partial(interface, language) for language in LANGUAGES
}
