"""Bits per byte of runs with other tokenizers: errors of pieces add up, seeds share them."""

from __future__ import annotations

import pytest

from evaluation.comparison.bits import bit_differences
from evaluation.comparison.reading import Trained


def run(bits: dict[str, tuple[float, float]]) -> Trained:
    return Trained("a", "t", {}, bits, 1000, 1e15, 1.0, 100, "way", "shape")


def test_a_difference_has_the_error_of_both() -> None:
    own, other = (
        run({"en": (1.0, 0.03), "fi": (2.0, 0.04)}),
        run({"en": (1.2, 0.04), "fi": (2.1, 0.03), "sv": (3.0, 0.1)}),
    )
    whole, english, finnish = bit_differences("b", [own], [other])
    assert (english["language"], english["loss"], english["reference_loss"]) == ("en", 1.0, 1.2)
    assert english["interval"] == pytest.approx([-0.2 - 1.95996 * 0.05, -0.2 + 1.95996 * 0.05], abs=1e-5)
    assert (english["verdict"], finnish["verdict"]) == ("better", "better")
    assert (whole["language"], whole["languages"]) == (None, 2)
    assert whole["difference"] == pytest.approx(-0.15)
    half = 1.95996 * (2 * 0.05**2) ** 0.5 / 2
    assert whole["interval"] == pytest.approx([-0.15 - half, -0.15 + half], abs=1e-5)


def test_seeds_share_their_pieces_and_add_their_spread() -> None:
    seeds, other = [run({"en": (bits, 0.03)}) for bits in (1.0, 1.1)], run({"en": (1.2, 0.04)})
    whole, _ = bit_differences("b", seeds, [other])
    assert whole["loss"] == pytest.approx(1.05)
    half = 1.95996 * (0.03**2 + 0.005 / 2 + 0.04**2) ** 0.5
    assert whole["interval"] == pytest.approx([-0.15 - half, -0.15 + half], abs=1e-5)


def test_runs_without_a_language_in_common_have_no_difference() -> None:
    assert bit_differences("b", [run({"en": (1.0, 0.1)})], [run({"fi": (1.0, 0.1)})]) == []
