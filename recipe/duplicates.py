"""Types of what a recipe says of documents of all sources together: duplicates, and held-out text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe.types import Count, Rate, Strict, Text


class Duplicates(Strict):
    """Which documents of a source are given up for others that say the same, in it or in another source."""

    exact: bool = True
    """Of documents with the same words, one is kept."""
    near: bool = True
    """Of documents that nearly agree, some are kept, as `duplicates.near` says."""
    max_line_documents: Count | None = None
    """A line of five words or more that stands in more documents is cut out of all but one; none is if not given."""


class NearDuplicates(Strict):
    """What near duplicates are, by MinHash, and how many are kept of a cluster. The defaults are FineWeb2's."""

    words: Count = 5
    """Words in a shingle."""
    bands: Count = 14
    """Bands of hashes; two documents are near duplicates if all hashes of one band agree."""
    hashes: Count = 8
    """Hashes in a band."""
    keep: Annotated[dict[Count, Count], Field(min_length=1)] = Field(
        default_factory=lambda: {1: 1, 2: 2, 3: 3, 5: 5, 100: 8, 1000: 1}
    )
    """Documents in a cluster -> how many are kept, from so many documents on."""


class AcrossSources(Strict):
    """How duplicates are found in all sources together."""

    prefer: list[Text] = Field(default_factory=list)
    """Sources whose copy is kept, before those of the others, which follow in the order of the recipe."""
    near: NearDuplicates = NearDuplicates()
    """What near duplicates are, and how many are kept."""


class EvaluationSet(Strict):
    """Texts that no source may train on."""

    files: Annotated[list[Text], Field(min_length=1)]
    """Paths or patterns of files, of the kinds that a source may have."""
    fields: Annotated[list[Text], Field(min_length=1)] = Field(default_factory=lambda: ["text"])
    """Fields that hold text, by name or path; a record may lack some of them."""


class Contamination(Strict):
    """What is done about held-out text, and text of evaluation sets, that stands in training text."""

    remove: bool = True
    """Whether it is cut out of the training text; otherwise it is counted only."""
    words: Count = 13
    """A line of training text that holds so many words in a row of a held-out document is cut; 13 is GPT-3's."""
    max_share: Rate = 0.5
    """A document is dropped as a whole where more of its text would be cut."""
    sets: dict[Text, EvaluationSet] = Field(default_factory=dict)
    """Name -> texts, besides what the recipe's sources hold out."""
