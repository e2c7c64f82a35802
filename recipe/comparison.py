"""Types of what a recipe says of comparing its runs."""

from __future__ import annotations

from recipe.types import Strict, Text


class Comparison(Strict):
    """How runs are compared. It decides nothing of what is trained or measured."""

    reference: Text | None = None
    """Run that all others are compared with; the first one if not given."""
