"""What is counted of each example: labels, words and their entities as CoNLL counts them, answers as SQuAD does."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

Row = list[float]
"""Counts of one example, as `common.summed_scores` adds them up."""
Span = tuple[int, int, str]
"""First word, the one after the last, kind."""
OUTSIDE = "O"
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def are_entities(labels: Iterable[str]) -> bool:
    """Tell whether labels mark entities: `O`, `B-KIND` and `I-KIND`, and no others."""
    found = set(labels) - {OUTSIDE}
    return bool(found) and all(label[:2] in ("B-", "I-") for label in found)


def entities(labels: Sequence[str]) -> set[Span]:
    """Return the entities of a sentence, as the script conlleval of CoNLL-2000 finds them.

    One begins at `B-`, and at an `I-` after no entity or after one of another kind.
    """
    found = set()
    begin, kind = 0, ""
    for place, label in enumerate([*labels, OUTSIDE]):
        prefix, _, own = label.partition("-")
        if kind and (prefix != "I" or own != kind):
            found.add((begin, place, kind))
            kind = ""
        if prefix in ("B", "I") and not kind:
            begin, kind = place, own
    return found


def label_row(wanted: frozenset[str], predicted: frozenset[str]) -> Row:
    """Return how many labels of a text are right, are predicted, and are wanted."""
    return [len(wanted & predicted), len(predicted), len(wanted)]


def ranked_row(wanted: frozenset[str], ranked: Sequence[str]) -> Row:
    """Return the R-precision of labels, the surest first; of 1, or of 0 for a text without labels, which has none.

    That is the share of right ones among the first R, where R labels are wanted (Manning, Raghavan and Schütze 2008,
    Introduction to Information Retrieval, 8.4).
    """
    number = len(wanted)
    return [len(wanted.intersection(ranked[:number])) / number, 1] if number else [0, 0]


def word_row(wanted: Sequence[str], predicted: Sequence[str]) -> Row:
    """Return how many words of a sentence have the right label, and how many words it has."""
    return [sum(map(str.__eq__, wanted, predicted)), len(wanted)]


def entity_row(wanted: Sequence[str], predicted: Sequence[str]) -> Row:
    """Return how many entities of a sentence are right, in place and kind, are predicted, and are wanted."""
    right, found = entities(wanted), entities(predicted)
    return [len(right & found), len(found), len(right)]


def normalized(answer: str) -> str:
    """Return an answer as SQuAD compares it: lower case, without ASCII punctuation and English articles."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_row(wanted: Sequence[str], predicted: str) -> Row:
    """Return 1 where an answer is one of those wanted, else 0; of 1. No answer is wanted where there is none."""
    return [float(normalized(predicted) in map(normalized, wanted or [""])), 1]


def answer_row(wanted: Sequence[str], predicted: str) -> Row:
    """Return the F1 of an answer's words with those of the nearest of the answers wanted; of 1."""
    return [max(_overlap(normalized(one), normalized(predicted)) for one in wanted or [""]), 1]


def _overlap(wanted: str, predicted: str) -> float:
    ours, theirs = Counter(predicted.split()), Counter(wanted.split())
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())
