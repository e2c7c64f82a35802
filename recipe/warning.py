"""What a recipe may say of warnings: types only, as in `recipe.schema`."""

from __future__ import annotations

from recipe.types import Positive, Strict


class Warnings(Strict):
    """What a person is warned of. It decides nothing of what is made."""

    max_epochs: Positive | None = 4.0
    """Times that a run may read a source's text, or its documents of a range of words, before it is told; or never."""
