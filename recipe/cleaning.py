"""Types of what a recipe says of cleaning: what is mended in a document, and which documents are dropped."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from recipe.types import NotNegative, Positive, Share, Size, Strict, Text, number

TopLength = Annotated[int, Field(ge=2, le=4), BeforeValidator(number)]
DuplicateLength = Annotated[int, Field(ge=5, le=10), BeforeValidator(number)]
LanguageEngine = Literal["py3langid", "heliport"]


class LanguageCheck(Strict):
    """Which documents are in their source's language, and which of their lines."""

    engine: LanguageEngine = "py3langid"
    """What identifies languages: `py3langid`, or `heliport`, which is to be installed besides (GPL-3, x86-64)."""
    min_score: NotNegative | None = None
    """Least confidence in the engine's measure: a probability, or of `heliport` a lead; by language if not given."""
    paragraphs: bool = False
    """Whether lines in other languages are taken out first; short ones go with those around them."""


class Quality(Strict):
    """Documents that read like text: a document is dropped for the first measure that is out of bounds."""

    max_duplicate_lines: Share | None = None
    """Share of lines that came before in the document."""
    max_duplicate_paragraphs: Share | None = None
    """Share of paragraphs, between empty lines, that came before."""
    max_duplicate_paragraph_characters: Share | None = None
    """Share of characters in such paragraphs."""
    max_top_ngrams: dict[TopLength, Share] | None = None
    """Words, 2 to 4 -> share of characters in the most frequent sequence of so many."""
    max_duplicate_ngrams: dict[DuplicateLength, Share] | None = None
    """Words, 5 to 10 -> share of characters in sequences of so many that came before."""
    min_ended_lines: Share | None = None
    """Share of lines that end with the punctuation of a sentence."""
    max_short_lines: Share | None = None
    """Share of lines of at most 30 characters."""
    max_duplicate_line_characters: Share | None = None
    """Share of characters in lines that came before."""
    max_newlines_per_word: NotNegative | None = None
    """Newlines for each word; lists have many."""
    min_words: Size | None = None
    """Fewest words, punctuation not counted."""
    max_words: Size | None = None
    """Most words."""
    min_word_length: NotNegative | None = None
    """Smallest mean length of a word, in characters."""
    max_word_length: Positive | None = None
    """Largest mean length of a word."""
    max_symbols_per_word: NotNegative | None = None
    """Number signs, or ellipses, for each word."""
    max_bullet_lines: Share | None = None
    """Share of lines that begin with a bullet."""
    max_ellipsis_lines: Share | None = None
    """Share of lines that end with an ellipsis."""
    min_alphabetic_words: Share | None = None
    """Share of words, and of punctuation beside them, that hold a letter."""
    min_stop_words: Size | None = None
    """Different stop words that a document has at least."""
    stop_words: list[Text] | None = None
    """Frequent words of the language."""


def _switched(value: Any) -> Any:
    return {} if value is True else None if value is False else value


Language = Annotated[LanguageCheck | None, BeforeValidator(_switched, json_schema_input_type=LanguageCheck | bool)]
"""`true` asks for the language's defaults."""
QualityFilter = Annotated[Quality | None, BeforeValidator(_switched, json_schema_input_type=Quality | bool)]

PrivateData = Literal["email", "ip_address", "identity_number", "phone"]


class Cleaning(Strict):
    """What is done to each document of a source; what is not given follows from its language."""

    repair: bool | None = None
    """Mend misread encodings, entities of HTML, control characters, soft hyphens and NFC; in all languages but code."""
    language: Language = None
    """Drops documents in another language, and lines if asked to; `true` for the language's defaults."""
    quality: QualityFilter = None
    """Drops documents that do not read like text; `true` for the language's thresholds."""
    private_data: list[PrivateData] | None = None
    """Kinds that placeholders take the place of; in all languages but code all kinds."""
