"""A line of metrics.jsonl as one flat row, with the names that TensorBoard has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Row = dict[str, Any]


def row_of(line: bytes) -> Row | None:
    """Return the values of a line by name, `language_loss/fi` for one of a mapping; None where a line is damaged.

    What was not finite, null in the log, is left out.
    """
    try:
        content = json.loads(line)
        int(content["step"])
    except (ValueError, KeyError, TypeError):
        return None
    return dict(_flat(content, ""))


def _flat(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif value is not None:
            yield prefix + name, value
