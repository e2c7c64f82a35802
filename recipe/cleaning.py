"""Types of what a recipe says of cleaning: what is mended in a document, and which documents are dropped."""

from __future__ import annotations

from typing import Literal, get_args

from recipe.types import Strict

PrivateData = Literal["email", "ip_address", "identity_number", "phone"]


class Cleaning(Strict):
    """What is done to each document of a source; what is not given follows from its language."""

    repair: bool | None = None
    """Mend misread encodings, entities of HTML, control characters, soft hyphens and NFC; in all languages but code."""
    private_data: list[PrivateData] | None = None
    """Kinds that placeholders take the place of; in all languages but code all kinds."""


def settled(cleaning: Cleaning, language: str) -> Cleaning:
    """Return cleaning with what it leaves to the language of a source."""
    is_code = language == "code"
    defaults = {"repair": not is_code, "private_data": [] if is_code else list(get_args(PrivateData))}
    return cleaning.model_copy(update={name: by for name, by in defaults.items() if getattr(cleaning, name) is None})
