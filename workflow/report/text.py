"""What became of the text, in the report and in the cards: what each step took, how often runs read the rest.

Numbers are those of `results/statistics.json`, examples those of the manifests of documents. An example is an excerpt,
and private data in it is replaced: a report travels further than the text it tells of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from corpus.cleaning.private_data import KINDS, replace_private_data
from corpus.sampling.account import EXCERPT_CHARACTERS
from workflow.report.results import Source
from workflow.statistics.repetition import ALL, in_words
from workflow.statistics.text import left_after, order_of_steps, together
from workflow.statistics.warning import ALIKE

EXAMPLES = 6
"""Texts that are shown of those that were removed for one reason."""
PLACES = 3
"""Sources that are named of those which hold text of a set."""

Told = dict[str, Any]


def told(statistics: Mapping[str, Any], sources: Sequence[Source]) -> Told:
    """Return what the report's section on text shows of these sources."""
    names = [source.name for source in sources]
    own = {name: statistics["sources"][name] for name in names}
    shown = {source.language for source in sources}
    languages = {name: one for name, one in statistics["languages"].items() if name in shown}
    return {
        "steps": steps_table(own),
        "languages": languages,
        "tokenizers": sorted({one for source in own.values() for one in source["tokens"]}),
        "lengths": lengths(languages),
        "max_epochs": statistics["max_epochs"],
        "warning": statistics["warning"],
        "changed": changed(sources),
        "removed": removed(sources),
        "contamination": contamination(statistics["contamination"], names),
    }


def steps_table(sources: Mapping[str, Told]) -> Told:
    """Return `columns`, the steps that took anything, `idle`, the others, and `rows` by source and of all together.

    A cell is the documents that a step took away, and its share of the bytes that the first one got; None for nothing.
    """
    order = order_of_steps(sources.values())
    taken = {name: _taken(source, order) for name, source in sources.items()}
    active = [step for place, step in enumerate(order[1:]) if any(any(cells[place]) for cells in taken.values())]
    total = together(list(sources.values()))
    places = [order[1:].index(step) for step in active]
    rows = {name: _row(sources[name], cells, places) for name, cells in taken.items()}
    return {
        "columns": active,
        "idle": [step for step in order[1:] if step not in active],
        "rows": rows,
        "total": _row(total, _taken(total, order), places),
    }


def _taken(source: Told, order: Sequence[str]) -> list[tuple[int, int]]:
    """Return the documents and the bytes that each step but the first took."""
    left = left_after(source, order)
    return [(a["documents"] - b["documents"], a["bytes"] - b["bytes"]) for a, b in pairwise(left)]


def _row(source: Mapping[str, Any], cells: Sequence[tuple[int, int]], places: Sequence[int]) -> Told:
    before, after = source["steps"][0], source["steps"][-1]
    size = before["bytes"] or 1
    return {
        "read": source["read"],
        "outside": source["read"] - before["documents"],
        "before": before,
        "after": after,
        "kept": after["bytes"] / size,
        "cells": [(cells[k][0], cells[k][1] / size) if any(cells[k]) else None for k in places],
    }


def lengths(languages: Mapping[str, Told]) -> Told:
    """Return `columns`, ranges of words, and `rows`, language -> (share of documents before, after) in each range."""
    digits = max(len(one[when]["word_histogram"]) for one in languages.values() for when in ("before", "after"))
    columns = [f"{10**place if place else 0:,} to {10 ** (place + 1) - 1:,}" for place in range(digits)]
    pairs = {name: [_shares(one[when], digits) for when in ("before", "after")] for name, one in languages.items()}
    return {"columns": columns, "rows": {name: list(zip(*own, strict=True)) for name, own in pairs.items()}}


def _shares(told_lengths: Mapping[str, Any], digits: int) -> list[float]:
    counts = [*told_lengths["word_histogram"], *[0] * digits][:digits]
    return [count / (sum(counts) or 1) for count in counts]


def epochs(statistics: Mapping[str, Any], names: Sequence[str], runs: Sequence[str]) -> list[Told]:
    """Return a row a source: tokens of its training split, and for each run how often they are read, or None.

    A cell has `epochs`, `beyond`, whether some of it is read more often than the limit, and `most`, in words, the
    documents that are read far more often than the rest.
    """
    limit = statistics["max_epochs"]
    rows = []
    for name in names:
        source = statistics["sources"][name]
        cells = [_epochs(statistics["runs"][run]["sources"].get(name), limit) for run in runs]
        tokens = {tokenizer: splits["train"] for tokenizer, splits in source["tokens"].items()}
        rows.append({"source": name, "language": source["language"], "tokens": tokens, "cells": cells})
    return rows


def _epochs(read: Mapping[str, Any] | None, limit: float | None) -> Told | None:
    if read is None:
        return None
    most = read["most_read"]
    words = (most["min_words"], most["max_words"])
    apart = words != ALL and most["epochs"] > ALIKE * read["epochs"]
    return {
        "epochs": read["epochs"],
        "beyond": limit is not None and max(read["epochs"], most["epochs"] if apart else 0) > limit,
        "most": f"{in_words(words)}: {most['epochs']:.1f}" if apart else "",
    }


def changed(sources: Iterable[Source]) -> list[Told]:
    """Return what was mended or cut out of documents that are kept: how often in how many sources, most first."""
    total: Counter[str] = Counter()
    where: Counter[str] = Counter()
    for source in sources:
        total.update(source.manifest["changed"])
        where.update(list(source.manifest["changed"]))
    return [{"what": what, "count": count, "sources": where[what]} for what, count in total.most_common()]


def removed(sources: Iterable[Source]) -> list[Told]:
    """Return, for each reason, what was removed for it, and some of the texts, those of the most bytes first."""
    found: dict[str, Told] = {}
    for source in sources:
        manifest = source.manifest
        for reason, texts in manifest["removed"].items():
            fresh = {"reason": reason, "documents": 0, "changed": 0, "bytes": 0, "sources": 0, "texts": []}
            entry = found.setdefault(reason, fresh)
            entry["documents"] += manifest["dropped"].get(reason, 0)
            entry["changed"] += manifest["changed"].get(reason, 0)
            entry["bytes"] += manifest["dropped_bytes"].get(reason, 0) + manifest["cut_bytes"].get(reason, 0)
            entry["sources"] += 1
            entry["texts"] += [{**text, "source": source.name, "language": source.language} for text in texts]
    for entry in found.values():
        chosen = sorted(entry["texts"], key=lambda text: (text["order"], text["source"]))[:EXAMPLES]
        entry["texts"] = [{**text, "excerpt": masked(text["excerpt"], text["language"])} for text in chosen]
    return sorted(found.values(), key=lambda entry: (-entry["bytes"], entry["reason"]))


def masked(excerpt: str, language: str) -> str:
    """Return an excerpt with placeholders for private data; where it was cut off, without its last, half word."""
    cut = len(excerpt) >= EXCERPT_CHARACTERS
    whole = excerpt.rpartition(" ")[0] or excerpt if cut else excerpt
    text = replace_private_data([whole.encode()], KINDS, language)[0][0].decode()
    return f"{text} …" if cut else text


def contamination(found: Mapping[str, Any], names: Collection[str]) -> Told:
    """Return what training text of these sources held text of evaluation sets, or of what sources hold out.

    `rows` has the sets of which something was found, evaluation sets first, then those with the most bytes, each with
    the sources that held most. `clean` names the other evaluation sets, `clean_sources` counts the other sources.
    """
    rows, clean = [], []
    for name, where in found["sets"].items():
        own = {source: counts for source, counts in where.items() if source in names}
        if not own:
            clean.append(name)
            continue
        totals = {what: sum(counts[what] for counts in own.values()) for what in ("documents", "lines", "bytes")}
        places = sorted(own, key=lambda source: (-own[source]["bytes"], source))
        told_places = {"where": places[:PLACES], "more": len(places[PLACES:])}
        rows.append({"set": name, "evaluation": name in found["evaluation_sets"], **totals, **told_places})
    rows.sort(key=lambda row: (not row["evaluation"], -row["bytes"], row["set"]))
    sets = [name for name in clean if name in found["evaluation_sets"]]
    kept = {key: found[key] for key in ("words", "cut_out")}
    return {**kept, "rows": rows, "clean": sets, "clean_sources": len(clean) - len(sets)}
