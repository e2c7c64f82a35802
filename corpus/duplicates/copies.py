"""Documents with the same words, of which one is kept, and lines that stand in many documents, which are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.workers import map_in_processes
from corpus.duplicates.groups import Groups, groups, ranges, without
from corpus.duplicates.numbering import Numbering
from corpus.duplicates.state import EXACT, KEPT, State
from corpus.duplicates.words import Index


@dataclass(frozen=True)
class _Task:
    numbering: Numbering
    state: State
    limits: tuple[int, ...]
    between: tuple[int, int]


def _tasks(
    numbering: Numbering, state: State, kind: str, limits: tuple[int, ...], memory: int, workers: int
) -> list[_Task]:
    items = sum(len(part.open().keys.get(f"{kind}_keys", ())) for part in numbering.parts)
    return [_Task(numbering, state, limits, between) for between in ranges(items, memory // workers)]


def drop_copies(numbering: Numbering, state: State, memory: int, workers: int) -> None:
    """Mark in `fates` all documents with the same words as one that is kept.

    Args:
        numbering: of the documents.
        state: of which `fates` is changed.
        memory: bytes that may be held at a time, about, by all workers together.
        workers: processes.
    """
    for _ in map_in_processes(_drop_copies, _tasks(numbering, state, "exact", (), memory, workers), workers):
        pass


def _drop_copies(task: _Task) -> None:
    found = groups(task.numbering.parts, "exact", 0, 1, task.between)
    places = _places(task.numbering, found.numbers)
    best = np.minimum.reduceat(places, found.starts) if len(found.starts) else places
    task.state.array("fates")[found.numbers[places != np.repeat(best, found.sizes())]] = EXACT


def mark_lines(
    numbering: Numbering, state: State, firsts: Index, limits: tuple[int, ...], memory: int, workers: int
) -> None:
    """Mark in `lines` those that stand in more kept documents than their source allows, but for one document.

    Documents of a source are counted with those of the sources before it.

    Args:
        numbering: of the documents.
        state: of which `lines` is changed.
        firsts: int64[p + 1], the place in `lines` of the first line of each part, and the end.
        limits: of each source, by its rank; 0 for one whose lines are not looked at.
        memory: bytes that may be held at a time, about, by all workers together.
        workers: processes.
    """
    tasks = _tasks(numbering, state, "line", limits, memory, workers)
    marks = state.array("lines")
    for parts, places in map_in_processes(_repeated, tasks, workers):
        marks[firsts[parts] + places] = 1


def _repeated(task: _Task) -> tuple[NDArray[np.int32], Index]:
    """Return the part and the place in its column of each line of a range that is to be cut."""
    found = groups(task.numbering.parts, "line", 0, 1, task.between)
    found = without(found, task.state.array("fates")[found.numbers] == KEPT)
    if not len(found.numbers):
        return found.parts, found.places
    places = _places(task.numbering, found.numbers)
    # The document that keeps the line keeps it wherever in it the line stands.
    first = np.minimum.reduceat(places, found.starts)
    keepers = np.empty(len(places), np.int64)
    keepers[places] = found.numbers
    ranks = task.numbering.ranks(found.numbers)
    cut = _documents_up_to(found, ranks) > np.array(task.limits)[ranks]
    cut &= found.numbers != np.repeat(keepers[first], found.sizes())
    return found.parts[cut], found.places[cut]


def _documents_up_to(found: Groups, ranks: Index) -> Index:
    """Return int64[n], for each item the documents of its group that are of its source or of one before it."""
    new = np.ones(len(found.numbers), np.bool_)
    new[1:] = found.numbers[1:] != found.numbers[:-1]
    new[found.starts] = True
    counted = np.cumsum(new)
    within: Index = counted - np.repeat(counted[found.starts] - 1, found.sizes())
    # The last item of a source in a group counts them all.
    last = np.ones(len(ranks), np.bool_)
    last[:-1] = ranks[1:] != ranks[:-1]
    last[found.starts[1:] - 1] = True
    ends = np.flatnonzero(last)
    counts: Index = within[ends[np.searchsorted(ends, np.arange(len(ranks)))]]
    return counts


def _places(numbering: Numbering, numbers: Index) -> Index:
    """Return int64[n], the place of each document when all are sorted by which copy stays."""
    places = np.empty(len(numbers), np.int64)
    places[numbering.precedence(numbers)] = np.arange(len(numbers))
    return places
