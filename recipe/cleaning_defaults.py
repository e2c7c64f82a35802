"""What of cleaning follows from a source's language, where the recipe does not say it."""

from __future__ import annotations

from typing import get_args

from recipe.cleaning import Cleaning, LanguageCheck, PrivateData
from recipe.languages import min_score
from recipe.quality import with_defaults


def settled(cleaning: Cleaning, language: str) -> Cleaning:
    """Return cleaning with what it leaves to the language of a source."""
    is_code = language == "code"
    defaults = {"repair": not is_code, "private_data": [] if is_code else list(get_args(PrivateData))}
    found = {name: by for name, by in defaults.items() if getattr(cleaning, name) is None}
    check = cleaning.language and _settled_check(cleaning.language, language)
    quality = cleaning.quality and with_defaults(cleaning.quality, language)
    return cleaning.model_copy(update={**found, "language": check, "quality": quality})


def _settled_check(check: LanguageCheck, language: str) -> LanguageCheck:
    if check.min_score is not None:
        return check
    return check.model_copy(update={"min_score": min_score(check.engine, language)})
