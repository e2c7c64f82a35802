"""Words of a sample that were counted when its sources had other names.

What is counted depends on the documents, on each source's factor and language, and on no name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import link_or_copy, read_json, write_json
from common.listed import problem_with

NAMED = ("factors", "languages")
"""What of a sample is told by the names of sources."""


def take_over(made_from: Mapping[str, Any], output: Path) -> dict[str, Any] | None:
    """Make words from those of the same sample under other names; return their manifest, or None if there are none.

    Args:
        made_from: of the words that are asked for, as in their manifest.
        output: that manifest; others lie beside its folder.
    """
    for path in sorted(output.parent.parent.glob(f"*/{output.name}")):
        try:
            other = read_json(path)
            names = same_sample(made_from, other["made_from"]) if path != output else None
            if names is None or any(problem_with(path.parent, entry) for entry in other["languages"].values()):
                continue
        except (UserError, KeyError, TypeError):
            continue  # no manifest of words
        output.parent.mkdir(parents=True, exist_ok=True)
        for entry in other["languages"].values():
            link_or_copy(path.parent / entry["name"], output.parent / entry["name"])
        sample = {source: other["sample"][names[source]] for source in sorted(names)}
        manifest: dict[str, Any] = other | {"made_from": made_from, "sample": sample}
        write_json(output, manifest)
        return manifest
    return None


def same_sample(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str] | None:
    """Return source of `one` -> what it is called in `other`, if both are the same sample; else None."""
    mine, theirs = ({k: v for k, v in each["sample"].items() if k not in NAMED} for each in (one, other))
    own, others = _by_content(one), _by_content(other)
    if mine != theirs or [content for content, _ in own] != [content for content, _ in others]:
        return None
    return {source: called for (_, source), (_, called) in zip(own, others, strict=True)}


def _by_content(made_from: Mapping[str, Any]) -> list[tuple[tuple[Any, ...], str]]:
    factors, languages = (made_from["sample"][name] for name in NAMED)
    return sorted(
        ((digest, factors[source], languages[source]), source) for source, digest in made_from["documents"].items()
    )
