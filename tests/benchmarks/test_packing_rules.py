"""What rules for filling rows make of documents whose outcome is plain."""

import numpy as np
import pytest

from benchmarks.packing_rules import RULES, Outcome, cropped, grouped, ours, padded, truncated


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (ours, Outcome(rows=3, tokens=25, lost=0, cut=0)),
        (padded, Outcome(rows=4, tokens=20, lost=3, cut=0)),
        (grouped, Outcome(rows=2, tokens=20, lost=3, cut=0)),
        (truncated, Outcome(rows=2, tokens=20, lost=3, cut=0)),
    ],
)
def test_four_documents_in_rows_of_ten(rule, outcome: Outcome) -> None:
    assert rule(np.array([4, 3, 3, 13]), 10) == outcome


def test_joining_cuts_a_document_that_would_fit() -> None:
    assert grouped(np.array([6, 6, 8]), 10) == Outcome(rows=2, tokens=20, lost=0, cut=1)


def test_nanochat_s_rule_takes_the_largest_that_fits_and_crops_the_shortest() -> None:
    assert cropped(np.array([6, 5, 5]), 10) == Outcome(rows=1, tokens=10, lost=1, cut=1)
    assert cropped(np.array([6, 4, 5, 5]), 10) == Outcome(rows=2, tokens=20, lost=0, cut=0)
    assert cropped(np.array([25]), 10) == Outcome(rows=1, tokens=10, lost=15, cut=0)


@pytest.mark.parametrize("rule", RULES.values())
def test_no_rule_holds_more_than_rows_have_room_for(rule) -> None:
    sizes = np.random.default_rng(0).integers(3, 300, 5000)
    outcome = rule(sizes, 128)
    assert 0.3 < outcome.tokens / (outcome.rows * 128) <= 1
    assert outcome.lost < sizes.sum()
