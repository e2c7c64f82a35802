"""Which documents are refused: measures of quality held against the bounds of a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corpus.cleaning.quality import Measures

if TYPE_CHECKING:
    from recipe.cleaning import Quality


def bounds_of(quality: Quality) -> Iterator[tuple[str, str, float]]:
    """Yield name of a measure, `<` or `>`, and the number beyond which a document is refused, in the keys' order."""
    for key, value in quality:
        end, _, name = key.partition("_")
        if end in ("min", "max") and value is not None:
            sign = "<" if end == "min" else ">"
            for length, bound in value.items() if isinstance(value, dict) else [(None, value)]:
                yield name if length is None else f"{name}.{length}", sign, bound


def refusals(measures: Measures, quality: Quality) -> dict[str, NDArray[np.bool_]]:
    """Return reason -> bool[d], which documents are refused for it; a reason reads `duplicate_lines > 0.293`."""
    return {
        f"{name} {sign} {bound:g}": measures[name] < bound if sign == "<" else measures[name] > bound
        for name, sign, bound in bounds_of(quality)
    }
