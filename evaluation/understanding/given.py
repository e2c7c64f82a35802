"""What more text is worth: the same fine-tuned encoders answer with only the first tokens of each text of the test.

Nothing is learnt anew for it. An example counts at every number of tokens, also where what answers it is cut off, so
that the columns of a task differ in nothing but the text. Where a task knows at which token its evidence stands, the
answers with the most text are told by that too: an encoder that reads far, and finds nothing there, shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, cast

from common.summed_scores import scored, summed_interval
from evaluation.understanding.inputs import Input, first_tokens
from evaluation.understanding.kinds import Kind
from evaluation.understanding.metrics import Row


class CutKind(Kind, Protocol):
    """A kind of task whose texts may be cut."""

    def given(self, examples: Sequence[Any], tokens: int) -> list[Any]:
        """Return examples with no more than the first tokens of each, special tokens and all."""

    def distances(self, examples: Sequence[Any]) -> list[int]:
        """Return at which token the evidence of each begins, -1 where there is none; nothing where no kind knows."""


class CutTexts:
    """What kinds of tasks that tell something of a whole text have in common."""

    def __init__(self, tokenizer: Any) -> None:
        """Keep the tokenizer."""
        self._tokenizer = tokenizer

    def given(self, examples: Sequence[Any], tokens: int) -> list[Any]:
        """Return examples with only the first tokens of their texts."""
        inside = tokens - self._tokenizer.num_special_tokens_to_add()
        return [replace(one, text=first_tokens(self._tokenizer, one.text, inside)) for one in examples]

    def distances(self, examples: Sequence[Any]) -> list[int]:
        """Return nothing: what tells a label may stand anywhere."""
        return []


@dataclass(frozen=True)
class Cut:
    """The test with only so many tokens of each text; with all that are read where `tokens` is None."""

    tokens: int | None
    examples: Sequence[Any]
    inputs: list[Input]


def cuts_of(kind: Kind, test: Sequence[Any], given: Sequence[int], most: int | None) -> list[Cut]:
    """Return the test as it is, or with each of some numbers of tokens, the most last.

    Args:
        kind: of the task.
        test: its examples.
        given: tokens, rising; none for the test as it is.
        most: that a text may have, since nothing is read beyond; None for as many as there are.
    """
    reached = [tokens for tokens in given if most is None or tokens <= most]
    if not given:
        return [Cut(None, test, kind.inputs(test, False))]
    made = []
    for tokens in reached or [most or given[0]]:
        examples = cast("CutKind", kind).given(test, tokens)
        made.append(Cut(tokens, examples, kind.inputs(examples, False)))
    return made


def described(metric: str, counts: Sequence[Sequence[Row]], seed: int) -> dict[str, Any]:
    """Return the mean score over seeds of [seeds, examples, columns], its interval, and the score of each seed."""
    system = scored(metric, counts)
    values = system.values()
    return {
        "value": float(values.mean()),
        "interval": list(summed_interval(system, seed)),
        "values": values.tolist(),
    }


def by_tokens(
    kind: Kind, test: Sequence[Any], cuts: Sequence[Cut], said: Sequence[Sequence[Any]], seed: int
) -> dict[str, Any]:
    """Return the first metric at each number of tokens given, and by distance of the evidence with the most of them.

    Args:
        kind: of the task.
        test: its examples, whole.
        cuts: of the test, the one with the most tokens last.
        said: of each seed, the answers to each cut.
        seed: of the intervals.
    """
    if cuts[-1].tokens is None:
        return {}
    metric = kind.metrics[0]
    counts = [[kind.rows(metric, test, own[number]) for own in said] for number in range(len(cuts))]
    found: dict[str, Any] = {
        "given": [{"tokens": cut.tokens, **described(metric, own, seed)} for cut, own in zip(cuts, counts, strict=True)]
    }
    if distances := cast("CutKind", kind).distances(test):
        edges = [0, *(cut.tokens for cut in cuts if cut.tokens)]
        found["distance"] = list(_by_distance(metric, counts[-1], distances, edges, seed))
    return found


def _by_distance(
    metric: str, counts: Sequence[Sequence[Row]], distances: Sequence[int], edges: Sequence[int], seed: int
) -> Iterable[Mapping[str, Any]]:
    for begin, end in pairwise(edges):
        places = [place for place, distance in enumerate(distances) if begin <= distance < end]
        if places:
            inside = [[own[place] for place in places] for own in counts]
            yield {"from": begin, "below": end, "examples": len(places), **described(metric, inside, seed)}
