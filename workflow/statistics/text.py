"""What each step of cleaning left of the text, by source and by language, in documents, bytes, words and tokens.

Tokens are counted where text has become ids, at the end. Before that they are an estimate: the bytes that a step left,
by the bytes that a token of the source holds at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

Told = dict[str, Any]
UNITS = ("documents", "bytes", "words")


def of_source(manifest: Mapping[str, Any], shards: Mapping[str, Mapping[str, Any]]) -> Told:
    """Return what became of the text of a source.

    Args:
        manifest: of what is left of its documents in the end.
        shards: tokenizer -> manifest of its token shards.
    """
    splits = {name: _splits(content) for name, content in shards.items()}
    tokens = {name: {split: counts["ids"] for split, counts in own.items()} for name, own in splits.items()}
    bytes_per_token = {name: _sum(own, "text_bytes") / _sum(own, "ids") for name, own in splits.items()}
    steps = [_estimated(step, bytes_per_token) for step in manifest["steps"]]
    return {
        "language": manifest["language"],
        "read": manifest["read"],
        "steps": steps,
        "before": _lengths(steps[0], manifest["word_histogram_before"]),
        "after": _lengths(steps[-1], manifest["word_histogram"]),
        "tokens": tokens,
        "bytes_per_token": bytes_per_token,
    }


def of_languages(sources: Mapping[str, Told]) -> dict[str, Told]:
    """Return language -> the sums over its sources. A step that a source does not take leaves all of it."""
    own: dict[str, list[Told]] = {}
    for source in sources.values():
        own.setdefault(source["language"], []).append(source)
    return {language: together(own[language]) for language in sorted(own)}


def order_of_steps(sources: Iterable[Told]) -> list[str]:
    """Return the names of all steps that any source takes, in the order in which they are taken."""
    order: list[str] = []
    for source in sources:
        place = 0
        for step in (step["step"] for step in source["steps"]):
            if step in order:
                place = order.index(step) + 1
            else:
                order.insert(place, step)
                place += 1
    return order


def left_after(source: Told, order: Sequence[str]) -> list[Told]:
    """Return what is left of a source after each of these steps; after one that it does not take, what was before."""
    own = {step["step"]: step for step in source["steps"]}
    left = [source["steps"][0]]
    for name in order[1:]:
        left.append(own.get(name, left[-1]))
    return left


def together(sources: Sequence[Told]) -> Told:
    """Return the sums over some sources, which may be of several languages."""
    order = order_of_steps(sources)
    steps = [
        {"step": name, **{unit: sum(left[unit] for left in lefts) for unit in UNITS}}
        | {"tokens_estimated": _added(left["tokens_estimated"] for left in lefts)}
        for name, lefts in zip(order, zip(*(left_after(one, order) for one in sources), strict=True), strict=True)
    ]
    tokens: dict[str, Counter[str]] = {}
    for source in sources:
        for name, splits in source["tokens"].items():
            tokens.setdefault(name, Counter()).update(splits)
    return {
        "read": sum(source["read"] for source in sources),
        "steps": steps,
        "before": _lengths(steps[0], _histogram(sources, "before")),
        "after": _lengths(steps[-1], _histogram(sources, "after")),
        "tokens": {name: dict(splits) for name, splits in tokens.items()},
    }


def _splits(shards: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {split: {what: counts[what] for what in ("ids", "text_bytes")} for split, counts in shards["splits"].items()}


def _sum(splits: Mapping[str, Mapping[str, int]], what: str) -> int:
    return sum(counts[what] for counts in splits.values())


def _estimated(step: Mapping[str, Any], bytes_per_token: Mapping[str, float]) -> Told:
    estimated = {name: round(step["bytes"] / size) for name, size in bytes_per_token.items()}
    return {**step, "tokens_estimated": estimated}


def _lengths(step: Mapping[str, Any], histogram: Sequence[int]) -> Told:
    counts = {unit: step[unit] for unit in UNITS}
    mean = step["words"] / step["documents"] if step["documents"] else None
    return {**counts, "words_per_document": mean, "word_histogram": list(histogram)}


def _histogram(sources: Iterable[Told], when: str) -> list[int]:
    return [sum(counts) for counts in zip_longest(*(one[when]["word_histogram"] for one in sources), fillvalue=0)]


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
