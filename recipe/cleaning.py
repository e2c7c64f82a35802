"""Types of what a recipe says of cleaning: what is mended in a document, and which documents are dropped."""

from __future__ import annotations

from recipe.types import Strict


class Cleaning(Strict):
    """What is done to each document of a source; what is not given follows from its language."""
