"""How strongly each component of a mixture is drawn: from its factor, its word bin and the tokens that it has."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from recipe.slices.types import Component

LARGEST_BLOCK = 1 << 24
"""Rows of a block of a mixture, at most: it is held in memory, so that no share may be smaller than one in so many."""


def component_weights(components: Sequence[Component], tokens: Sequence[int]) -> list[Fraction]:
    """Return each component's share of the tokens drawn, exact: factor x tokens, within its word bin if there are bins.

    A bin that no document falls into gives its share to the others in proportion, and so does a language without a
    token. Where languages have shares too, those hold, and each language keeps the proportions of its components: a
    language whose documents are all short cannot have both, its share and that of the long ones.
    """
    weights = _within_bins(components, tokens)
    if not any(part.language_share for part in components):
        return weights
    drawn: dict[str, Fraction] = {}
    for part, weight in zip(components, weights, strict=True):
        drawn[part.language] = drawn.get(part.language, Fraction(0)) + weight
    wanted = {part.language: Fraction(str(part.language_share)) for part in components if drawn[part.language]}
    total = sum(wanted.values())
    return [
        weight * wanted[part.language] / total / drawn[part.language] if weight else weight
        for part, weight in zip(components, weights, strict=True)
    ]


def _within_bins(components: Sequence[Component], tokens: Sequence[int]) -> list[Fraction]:
    sizes = [Fraction(str(part.factor)) * count for part, count in zip(components, tokens, strict=True)]
    total: dict[int | None, Fraction] = {}
    for part, size in zip(components, sizes, strict=True):
        total[part.bin] = total.get(part.bin, Fraction(0)) + size
    share = {part.bin: Fraction(str(part.bin_share or 1)) for part in components if total[part.bin]}
    weight = {bin_: value / total[bin_] / sum(share.values()) for bin_, value in share.items()}
    return [size * weight.get(part.bin, Fraction(0)) for part, size in zip(components, sizes, strict=True)]


def at_least_a_share(weights: Sequence[Fraction]) -> list[Fraction]:
    """Return the weights, those of a smaller share than one in `LARGEST_BLOCK` raised to it."""
    floor = sum(weights, Fraction(0)) * Fraction(2, LARGEST_BLOCK)
    return [max(weight, floor) for weight in weights]
