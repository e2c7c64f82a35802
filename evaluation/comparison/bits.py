"""Runs of other tokenizers beside the reference, in bits per byte: of the same text, but of pieces of their own.

What a token is differs, so that no row is the same for both. Bits per byte of the pseudo-perplexity are of the same
held-out text, drawn by itself for each: errors add up as those of independent samples do, and the intervals are wider
than paired ones would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean, variance
from typing import Any

from common.intervals import CONFIDENCE
from common.paired import Estimate
from evaluation.comparison.losses import Group, told, verdict


def bit_differences(name: str, group: Group, reference: Group) -> list[dict[str, Any]]:
    """Return how a group's bits per byte differ from the reference's: over all languages of both, then in each.

    A language that was measured on a single piece, of which no error is known, is left out.
    """
    every = [run.bits for run in (*group, *reference)]
    languages = sorted(set.intersection(*(set(own) for own in every)))
    if not languages:
        return []
    places: list[tuple[str | None, list[str]]] = [(None, languages), *((one, [one]) for one in languages)]
    found = []
    for language, over in places:
        own, other = mean_bits(group, over), mean_bits(reference, over)
        reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * sqrt(own[1] ** 2 + other[1] ** 2)
        apart = own[0] - other[0]
        measured = Estimate(apart, apart - reach, apart + reach)
        found.append(
            {
                "run": name,
                "length": None,
                "language": language,
                "languages": len(over),
                "loss": round(own[0], 6),
                "reference_loss": round(other[0], 6),
                **told(measured),
                "verdict": verdict(measured),
            }
        )
    return found


def mean_bits(group: Group, languages: Sequence[str]) -> tuple[float, float]:
    """Return a group's mean bits per byte over languages, and its standard error.

    Seeds are measured on the same pieces, so that they share the error of these; their own spread comes on top.
    """
    means = [fmean(run.bits[one][0] for one in languages) for run in group]
    errors = [sqrt(sum(run.bits[one][1] ** 2 for one in languages)) / len(languages) for run in group]
    between = variance(means) / len(means) if len(means) > 1 else 0.0
    return fmean(means), sqrt(fmean(errors) ** 2 + between)
