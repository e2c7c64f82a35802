"""Rules of what a recipe says of duplicates and contamination; see `recipe.checks` for what a rule is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipe.schema import Recipe

SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def duplicates_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield every breach of a rule as (key path, sentence)."""
    key = "duplicates.prefer"
    for place, name in enumerate(recipe.duplicates.prefer):
        if name not in recipe.sources:
            yield f"{key}[{place}]", f"the recipe has no source {name}; mend the name or leave it out."
        elif name in recipe.duplicates.prefer[:place]:
            yield f"{key}[{place}]", f"{name} stands there twice; keep the one whose place you mean."
    for size, kept in sorted(recipe.duplicates.near.keep.items()):
        if kept > size:
            yield f"duplicates.near.keep.{size}", f"keeps {kept} of {size} documents; give at most {size}."
    for name in recipe.contamination.sets:
        if not SET_NAME.fullmatch(name):
            told = "may hold letters, digits, dots, hyphens and underscores only, and is printed in report and card"
            yield "contamination.sets", f"the name {name!r} {told}."
