"""How much of a text repeats: lines, paragraphs, and n-grams of words, as Gopher counts it (arXiv 2112.11446, A1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from corpus.cleaning.spans import BASE, Characters, Hashes, Indices, Spans, mixed

TOP = (2, 3, 4)
"""Lengths of n-grams of which the most frequent one counts; a text's characters are the measure."""
DUPLICATED = (5, 6, 7, 8, 9, 10)
"""Lengths of n-grams of which all that came before count."""


def repeated(spans: Spans, hashes: Hashes, texts: int) -> tuple[Indices, Indices]:
    """Return int64[d] twice: of each text the spans that came in it before, and the characters of these.

    Args:
        spans: lines or paragraphs.
        hashes: of what they hold.
        texts: d.
    """
    order = np.lexsort((hashes, spans.owners))
    again = np.zeros(len(order), np.bool_)
    own, owners = hashes[order], spans.owners[order]
    again[1:] = (own[1:] == own[:-1]) & (owners[1:] == owners[:-1])
    found = spans.where(np.sort(order[again]))
    counts = np.bincount(found.owners, minlength=texts)
    return counts, np.bincount(found.owners, found.ends - found.starts, texts).astype(np.int64)


def paragraphs(characters: Characters) -> Spans:
    """Return what stands between empty lines: from the first to the last of the lines that follow one another."""
    lines = characters.trimmed_lines
    # Between two lines of a text stands white space; between two paragraphs at least two newlines are in it.
    newlines = np.flatnonzero(characters.points == ord("\n"))
    gaps = np.searchsorted(newlines, lines.starts[1:]) - np.searchsorted(newlines, lines.ends[:-1])
    first = np.ones(len(lines), np.bool_)
    first[1:] = (gaps > 1) | (lines.owners[1:] != lines.owners[:-1])
    last = np.append(first[1:], True)[: len(lines)]
    return Spans(lines.starts[first], lines.ends[last], lines.owners[first])


def repeated_ngrams(characters: Characters) -> tuple[dict[int, Indices], dict[int, Indices]]:
    """Return n -> int64[d], characters of each text in n-grams that repeat, by two measures.

    The first, for n in `TOP`, is how often the most frequent n-gram comes, times its characters, with a space between
    words; of equally frequent ones the first counts. The second, for n in `DUPLICATED`, is all that came before: the
    text is gone through word by word, and where an n-gram came before, its characters count and the way goes on behind.
    """
    words, texts = characters.words, len(characters.lengths)
    before = np.append(0, np.cumsum(characters.word_lengths))
    top: dict[int, Indices] = {}
    duplicated: dict[int, Indices] = {}
    for n, places, groups in _recurring(characters.hashes(words), words.owners):
        if n in TOP:
            top[n] = _first_ngrams(words.owners, before, n, texts)
            best, times = _most_frequent(places, groups, words.owners)
            top[n][words.owners[best]] = times * (before[best + n] - before[best] + n - 1)
        if n in DUPLICATED:
            again = np.array(_come_again(places, groups, n), np.int64)
            widths = before[again + n] - before[again]
            duplicated[n] = np.bincount(words.owners[again], widths, texts).astype(np.int64)
    return top, duplicated


def _recurring(words: Hashes, owners: Indices) -> Iterator[tuple[int, Indices, Indices]]:
    """Yield for each length n the places, in order, of n-grams that come twice or more in their text, and their groups.

    N-grams of one group are equal. They can only be where those that are one word shorter are as well, so that the
    longer they are, the fewer places are looked at.
    """
    # The text goes into the hash, so that two texts have no n-gram in common.
    hashes = mixed(words + owners.astype(np.uint64) * np.uint64(BASE))
    places = np.arange(len(words))
    for n in range(2, DUPLICATED[-1] + 1):
        follows = np.flatnonzero((np.diff(places) == 1) & (owners[places[1:]] == owners[places[:-1]]))
        places = places[follows]
        hashes = mixed(hashes[follows] * np.uint64(BASE) + words[places + n - 1])
        order = np.argsort(hashes)
        equal = hashes[order[1:]] == hashes[order[:-1]]
        begins = np.append(True, ~equal)[: len(order)]
        recurs = ~begins
        recurs[:-1] |= equal
        groups = np.empty(len(order), np.int64)
        groups[order] = np.cumsum(begins)
        kept = np.zeros(len(order), np.bool_)
        kept[order[recurs]] = True
        places, hashes = places[kept], hashes[kept]
        yield n, places, groups[kept]


def _first_ngrams(owners: Indices, before: Indices, n: int, texts: int) -> Indices:
    """Return int64[d], characters of the first n-gram of each text, with spaces; 0 where there is none."""
    sizes = np.bincount(owners, minlength=texts)
    first = (np.cumsum(sizes) - sizes)[sizes >= n]
    characters = np.zeros(texts, np.int64)
    characters[sizes >= n] = before[first + n] - before[first] + n - 1
    return characters


def _most_frequent(places: Indices, groups: Indices, owners: Indices) -> tuple[Indices, Indices]:
    """Return the place of the most frequent n-gram of each text that has one which recurs, and how often it comes."""
    times = np.bincount(groups)[groups]
    begins = np.flatnonzero(np.diff(owners[places], prepend=-1))
    most = np.maximum.reduceat(times, begins) if len(begins) else times
    best = np.flatnonzero(times == np.repeat(most, np.diff(begins, append=len(places))))
    best = best[np.diff(owners[places[best]], prepend=-1) != 0]
    return places[best], most


def _come_again(places: Indices, groups: Indices, n: int) -> list[int]:
    """Return the places of n-grams that came before, from the first on, each behind the one before it."""
    seen: set[int] = set()
    again, free = [], 0
    for place, group in zip(places.tolist(), groups.tolist(), strict=True):
        if place >= free:
            if group in seen:
                again.append(place)
                free = place + n
            else:
                seen.add(group)
    return again
