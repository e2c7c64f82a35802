"""A fast engine is held to the reference on a sample of whatever it encodes, in every run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.errors import UserError
from corpus.tokens.encoding import TextEncoder

COMPARED_TEXTS = 16
"""At most so many texts of a part are compared, spread over it: its first, and others at least"""
COMPARED_EVERY = 4096
"""documents apart."""
COMPARED_CHARACTERS = 20_000
"""A longer text is compared up to here."""


def refuse_difference(
    sample: Sequence[tuple[int, str]], where: str, encoder: TextEncoder, reference: TextEncoder
) -> None:
    """Compare the ids of some texts, each with its number in the part of documents that `where` names.

    Raises:
        UserError: the ids of a text differ; it names the first such text and shows its beginning.
    """
    texts = [text[:COMPARED_CHARACTERS] for _, text in sample]
    both = zip(sample, encoder.encode(texts), reference.encode(texts), strict=True)
    for (number, text), (_, ours), (_, theirs) in both:
        if not np.array_equal(ours, theirs):
            raise UserError(
                f"document {number} (from 0) of {where} has other ids than `tokenizers` gives it; set "
                f"`engine: tokenizers` for this tokenizer in the recipe, and report this text: {text[:80]!r}"
            )
