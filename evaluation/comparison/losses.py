"""Held-out losses of runs beside those of a reference, on the rows that were the same for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.paired import Estimate, Sampled, difference, level, mean_of, sampled
from evaluation.comparison.reading import Place, Trained

Group = Sequence[Trained]
"""Runs that are seeds of one another."""


@dataclass(frozen=True)
class Field:
    """Groups sampled on the same rows of the same languages, at one length."""

    length: int
    languages: list[str]
    rows: int
    """Of all languages."""
    means: dict[str, Sampled]
    """Name of a group -> its seeds' mean losses over languages."""


def verdict(found: Estimate, lower_is_better: bool = True) -> str:
    """Return `better`, `worse`, or `unclear` where the interval holds zero."""
    if not found.sure:
        return "unclear"
    return "better" if (found.value < 0) == lower_is_better else "worse"


def told(found: Estimate) -> dict[str, Any]:
    """Return a difference as a result holds it."""
    return {"difference": round(found.value, 6), "interval": [round(found.low, 6), round(found.high, 6)]}


def incomparable(run: Trained, reference: Trained) -> str | None:
    """Return in a sentence why the losses of a run do not compare with those of the reference; None if they do."""
    for one in (reference, run):
        if one.rows is None:
            return (
                f"results/evaluation/{one.name}/mlm.json was made before rows were kept one by one; delete it and run "
                "again to compare it."
            )
        if not one.rows:
            return f"{one.name} has no held-out loss: nothing is held out."
    if run.tokenizer != reference.tokenizer:
        return (
            f"{run.name} has another tokenizer than {reference.name}, and losses of other tokens do not compare; bits "
            "per byte do."
        )
    if not shared([[run], [reference]]):
        return f"{run.name} was measured on none of the rows of {reference.name}, or with other tokens hidden."
    return None


def shared(groups: Sequence[Group]) -> dict[Place, list[str]]:
    """Return the rows that all runs of all groups were measured on, by language and length, where there are any."""
    every = [run.rows or {} for group in groups for run in group]
    places = set.intersection(*(set(rows) for rows in every))
    found = {place: sorted(set.intersection(*(set(rows[place]) for rows in every))) for place in sorted(places)}
    return {place: keys for place, keys in found.items() if keys}


def sample_place(groups: Sequence[Group], place: Place, keys: Sequence[str], seed: int) -> Sampled:
    """Return the losses of all runs, group by group, on rows of one language and length."""
    language, length = place
    every = [(run.rows or {})[place] for group in groups for run in group]
    sums = np.array([[own[key][1] for key in keys] for own in every])
    weights = np.array([every[0][key][0] for key in keys], dtype=np.float64)
    # Each language and length has draws of its own: what is drawn in one says nothing of another.
    return sampled(sums, weights, [seed, length, *language.encode()])


def field(groups: Mapping[str, Group], seed: int) -> Field | None:
    """Return groups sampled on all that they have in common at the longest row length; None if they have nothing."""
    common = shared(list(groups.values()))
    if not common:
        return None
    length = max(length for _, length in common)
    languages = sorted(language for language, own in common if own == length)
    parts = [sample_place(list(groups.values()), (one, length), common[one, length], seed) for one in languages]
    whole, means, first = mean_of(parts), {}, 0
    for name, group in groups.items():
        means[name] = whole.of(range(first, first + len(group)))
        first += len(group)
    return Field(length, languages, sum(len(common[one, length]) for one in languages), means)


def differences(name: str, group: Group, reference: Group, seed: int) -> list[dict[str, Any]]:
    """Return how a group's loss differs from the reference's: at each length over all languages, then in each.

    The languages and rows are those that both were measured on; where `language` is null, each of them counts the same.
    """
    common = shared([group, reference])
    found = []
    for length in sorted({length for _, length in common}, reverse=True):
        languages = [language for language, own in common if own == length]
        parts = {one: sample_place([group, reference], (one, length), common[one, length], seed) for one in languages}
        counts = {one: len(common[one, length]) for one in languages}
        places: list[tuple[str | None, Sampled]] = [(None, mean_of(list(parts.values()))), *parts.items()]
        for language, both in places:
            own, other = both.of(range(len(group))), both.of(range(len(group), len(group) + len(reference)))
            measured = difference(own, other, seed)
            found.append(
                {
                    "run": name,
                    "length": length,
                    "language": language,
                    "languages": 1 if language else len(languages),
                    "rows": counts[language] if language else sum(counts.values()),
                    "loss": round(float(own.values.mean()), 6),
                    "reference_loss": round(float(other.values.mean()), 6),
                    **told(measured),
                    "verdict": verdict(measured),
                }
            )
    return found


def spread(groups: Mapping[str, Group], measured: Field) -> dict[str, Any] | None:
    """Return how far seeds of one run lie apart in their loss, over all groups of several; None if there is none."""
    several = [measured.means[name].values for name, group in groups.items() if len(group) > 1]
    if not several:
        return None
    freedom = sum(len(values) - 1 for values in several)
    pooled = np.sqrt(sum(((values - values.mean()) ** 2).sum() for values in several) / freedom)
    largest = max(float(np.ptp(values)) for values in several)
    return {"standard_deviation": round(float(pooled), 6), "largest_range": round(largest, 6), "groups": len(several)}


def quality(measured: Field, seed: int) -> dict[str, Estimate]:
    """Return the mean loss of each group with its interval, over rows and, of several, seeds."""
    return {name: level(own, seed) for name, own in measured.means.items()}
