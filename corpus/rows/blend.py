"""A mixture as it is drawn: the components that have rows, each one's share of all rows, and what tells it from others.

Nothing here depends on what a source is called: components stand in the order of their texts, and two recipes that draw
the same rows in the same shares have the same blend, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from corpus.rows.keys import derive_key
from corpus.rows.listing import read_index, text_identity
from corpus.rows.weights import at_least_a_share, component_weights
from recipe.slices.types import Component


@dataclass(frozen=True)
class Part:
    """A component that has rows."""

    component: Component
    index: Path
    """Its `index.json`."""
    content: Mapping[str, Any]
    """What that says."""
    text: str
    """`text_identity` of its source."""
    share: Fraction
    """Of all rows drawn; the shares of a blend sum to one."""


@dataclass(frozen=True)
class Blend:
    """What a stage draws rows from."""

    parts: tuple[Part, ...]
    empty: dict[str, list[str]]
    """Rowset -> sources that have no row in it."""

    @property
    def digest(self) -> str:
        """What tells this blend from any that draws other rows, or draws them otherwise."""
        facts: list[str | int] = []
        for part in self.parts:
            facts += [part.text, part.component.rowset, part.content["rows"], str(part.share)]
        return derive_key(*facts).hex()


def blend(components: Sequence[Component], indexes: Mapping[tuple[str, str], Path]) -> Blend:
    """Return the blend of a stage's components; it has no part if none of them has a row.

    Rows are drawn, tokens are wanted: a source whose rows are half empty is drawn twice as often.

    Args:
        components: of a stage.
        indexes: (source, rowset) -> index of its rows, as `corpus.rows.listing.read_list` returns them.

    Raises:
        UserError: an index is absent or of another format.
    """
    paths = [indexes[part.source, part.rowset] for part in components]
    contents = [read_index(path) for path in paths]
    tokens = component_weights(components, [content["tokens"] for content in contents])
    empty: dict[str, list[str]] = {}
    for part, content in zip(components, contents, strict=True):
        if not content["rows"]:
            empty.setdefault(part.rowset, []).append(part.source)
    kept = [number for number, content in enumerate(contents) if content["rows"]]
    rows = at_least_a_share([tokens[i] * Fraction(contents[i]["rows"], contents[i]["tokens"]) for i in kept])
    total = sum(rows, Fraction(0))
    texts = _identities([components[i].source for i in kept], [contents[i] for i in kept])
    parts = [
        Part(components[i], paths[i], contents[i], text, weight / total)
        for i, text, weight in zip(kept, texts, rows, strict=True)
    ]
    return Blend(tuple(sorted(parts, key=lambda part: (part.text, part.component.rowset))), empty)


def _identities(sources: Sequence[str], contents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the identity of each one's text; sources of the very same text are told apart by a number."""
    texts = [text_identity(content) for content in contents]
    alike: dict[str, list[str]] = {}
    for source, text in sorted(set(zip(sources, texts, strict=True))):
        alike.setdefault(text, []).append(source)
    return [
        f"{text}-{number}" if (number := alike[text].index(source)) else text
        for source, text in zip(sources, texts, strict=True)
    ]
