"""How far each source has been read, over all stages of a run: its *head*, in epochs.

A head is a number of rows drawn and how many rows an epoch had, so that it is exact. A source that was read at one row
length goes on at another where it stands: at the same share of an epoch, rounded up to a whole row. The documents of a
range of words have a head of their own, which begins where the whole source stands when they are first read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Heads = dict[str, list[int]]
"""Name of a head -> [rows drawn, rows of an epoch]."""


def head_name(text: str, rowset: str) -> str:
    """Return the name of a head: the identity of its source's text, and its range of words if it has one."""
    words = rowset.partition("-")[2]
    return f"{text}/{words}" if words else text


def first_occurrence(heads: Mapping[str, Sequence[int]], text: str, rowset: str, rows: int) -> int:
    """Return how many rows of a set count as drawn, if it has `rows` of them: where its source goes on."""
    drawn, epoch = heads.get(head_name(text, rowset)) or heads.get(text) or (0, 1)
    return -(-drawn * rows // epoch)
