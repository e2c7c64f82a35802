"""A fast engine is held to the reference on a sample of whatever it encodes, in every run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from corpus.tokens.encoding import TextEncoder

COMPARED_TEXTS = 16
"""So many texts of a source are compared, spread over it."""
COMPARED_CHARACTERS = 20_000
"""A longer text is compared up to here."""

Encoded = tuple[str, NDArray[np.uint32]]
"""A text and its ids."""


def compared(encoded: Iterator[Encoded], encoder: TextEncoder, reference: TextEncoder, every: int) -> Iterator[Encoded]:
    """Yield texts with their ids, comparing every so-manieth text, the first among them, with the reference.

    Raises:
        UserError: the ids of such a text differ; it shows where and the beginning of the text.
    """
    for number, (text, ids) in enumerate(encoded):
        if number % every == 0:
            beginning = text[:COMPARED_CHARACTERS]
            (ours,), (theirs,) = ([found for _, found in each.encode([beginning])] for each in (encoder, reference))
            if not np.array_equal(ours, theirs):
                raise UserError(
                    f"document {number} (from 0) has other ids than `tokenizers` gives it; set `engine: tokenizers` "
                    f"for this tokenizer in the recipe, and report this text: {text[:80]!r}"
                )
        yield text, ids
