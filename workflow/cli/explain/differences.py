"""Where two slices of a recipe differ, in words: `stages[0].tokens (1000000 -> 2000000)`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield each place where two JSON values differ, with what was there and what is."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}".removeprefix("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{place}[{index}]")
    elif old != new:
        yield f"{place} ({_shown(old)} -> {_shown(new)})"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} entries"
    if isinstance(value, dict):
        return f"{len(value)} keys"
    return json.dumps(value, ensure_ascii=False)
