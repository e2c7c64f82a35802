"""Names of sets of rows: the row length, and the words that a document must have to be among them."""

from __future__ import annotations

import re

from recipe.schema import WordBin

ROWSET = re.compile(r"(?P<length>\d+)(?:-words-(?P<min>\d+)-(?P<max>\d*))?")


def rowset(length: int, word_bin: WordBin | None = None) -> str:
    """Return the directory name of rows of `length` tokens: `1024`, `2218-words-1000-10000`, `2218-words-16000-`."""
    if word_bin is None:
        return str(length)
    upper = "" if word_bin.max_words is None else str(word_bin.max_words)
    return f"{length}-words-{word_bin.min_words}-{upper}"


def parse_rowset(name: str) -> tuple[int, int, int | None]:
    """Return (length in tokens, fewest words, words that are too many or none) of a name made by `rowset`.

    Raises:
        ValueError: if the name is of another form.
    """
    found = ROWSET.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not a row set; they look like 1024 or 1024-words-1000-10000")
    return int(found["length"]), int(found["min"] or 0), int(found["max"]) if found["max"] else None
