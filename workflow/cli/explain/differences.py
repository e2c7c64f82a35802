"""Where two slices of a recipe differ, in words: `stages[0].tokens 1000000 -> 2000000`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield each place where two values from JSON differ, with what was there and what is."""
    if isinstance(old, list) and isinstance(new, list):
        old, new = _by_name(old), _by_name(new)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*new, *old]):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if key[:1] != "[" else place + key)
    elif old != new:
        yield f"{place.removeprefix('.')} {_shown(old)} -> {_shown(new)}"


def _by_name(entries: list[Any]) -> dict[str, Any]:
    """Return a list's entries by what a person would call them: a component by its source and bin, others by number."""
    names = [_name(entry) or str(number) for number, entry in enumerate(entries)]
    if len(set(names)) < len(names):
        names = [str(number) for number in range(len(entries))]
    return {f"[{name}]": entry for name, entry in zip(names, entries, strict=True)}


def _name(entry: Any) -> str:
    if not (isinstance(entry, dict) and "source" in entry):
        return ""
    return entry["source"] if entry.get("bin") is None else f"{entry['source']}, bin {entry['bin']}"


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False)
    return "(more)" if isinstance(value, dict | list) and len(text) > 60 else text
