"""Which texts of a batch hold what a pattern describes: the cheap question before the dear one.

Arrow asks it of all texts at once, by RE2, which goes through each byte once whatever the pattern and the text are, at
some 600 MB/s a core. Python's `re` takes thirty times as long where a pattern has alternatives.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def holding(texts: Sequence[bytes], pattern: str) -> list[int]:
    """Return the indices of the texts that hold a match of a pattern, in order.

    Args:
        texts: UTF-8; not checked.
        pattern: as RE2 reads it, which knows neither references back nor looking around; `.` and classes are of
            characters.
    """
    column = pa.array(texts, pa.large_binary()).view(pa.large_string())
    found = pc.match_substring_regex(column, pattern)
    indices: list[int] = np.flatnonzero(found.to_numpy(zero_copy_only=False)).tolist()
    return indices
