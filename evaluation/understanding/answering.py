"""Extractive questions: which characters of a context answer a question, or none.

A context that is longer than what is read at once is read in windows that overlap; the answer is the likeliest of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from evaluation.understanding.examples import Question
from evaluation.understanding.fine_tuning import Outputs
from evaluation.understanding.inputs import Input, first_tokens, token_places, types_of
from evaluation.understanding.metrics import Row, answer_row, exact_row

CLS_PLACE = 0
"""Where an answer that is not in the window begins and ends."""
LIKELIEST = 20
"""Beginnings, and ends, that are put together."""
OUTSIDE = (0, 0)
Span = tuple[float, int, int]
"""How likely an answer is, and where in the context it begins and ends."""


class Answering:
    """See `evaluation.understanding.kinds.Kind`. Places of an input are the characters of each token."""

    head = "AutoModelForQuestionAnswering"
    problem = None
    metrics = ("token_f1", "exact_match")
    labels = ("start", "end")
    baseline = "the first words of the context, as many as an answer has"

    def __init__(self, tokenizer: Any, length: int, train: Sequence[Question]) -> None:
        """Look at the answers to learn from: how long they are, and whether all questions have one."""
        self._tokenizer, self._length = tokenizer, length
        learnt = [one.answers[0] for one in train if one.answers]
        self._some_have_none = len(learnt) < len(train)
        self._words = round(float(np.median([len(answer.split()) for answer in learnt or [""]])))
        ids = tokenizer(learnt, add_special_tokens=False).input_ids if learnt else [[0]]
        self._longest = max(map(len, ids)) + 1  # a token more, since a word in its context may be cut otherwise

    def inputs(self, examples: Sequence[Question], learn: bool) -> list[Input]:
        """Return the windows of each example."""
        encoded = self._tokenizer(
            [self._cut(one.question) for one in examples],
            [one.context for one in examples],
            truncation="only_second",
            max_length=self._length,
            stride=self._length // 4,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        found = []
        for window, example in enumerate(encoded.overflow_to_sample_mapping):
            characters = zip(encoded.sequence_ids(window), encoded.offset_mapping[window], strict=True)
            context = examples[example].context
            places = [
                (begin, end) if sequence == 1 and context[begin:end].strip() else OUTSIDE
                for sequence, (begin, end) in characters
            ]
            targets = _targets(examples[example], places) if learn else {}
            found.append(Input(example, encoded.input_ids[window], targets, places, types_of(encoded, window)))
        return found

    def _cut(self, question: str) -> str:
        """Return a question without what would leave its context less than half of the tokens."""
        return first_tokens(self._tokenizer, question, self._length // 2)

    def given(self, examples: Sequence[Question], tokens: int) -> list[Question]:
        """Return examples with only so much of their contexts that it is `tokens` with the question."""
        return [
            replace(one, context=first_tokens(self._tokenizer, one.context, tokens - self._before(one) - 1))
            for one in examples
        ]

    def distances(self, examples: Sequence[Question]) -> list[int]:
        """Return at which token the first answer begins, if question and context are read at once."""
        return [
            self._before(one) + sum(end <= one.start for _, end in token_places(self._tokenizer, one.context))
            if one.answers
            else -1
            for one in examples
        ]

    def _before(self, one: Question) -> int:
        """Return how many tokens stand before the context, [CLS] and [SEP] among them."""
        special: int = self._tokenizer.num_special_tokens_to_add(pair=True) - 1
        return len(token_places(self._tokenizer, self._cut(one.question))) + special

    def answers(self, examples: Sequence[Question], said: Iterable[tuple[Input, Outputs]]) -> list[str]:
        """Return the likeliest answer to each question; none where that is likelier, if some questions have none."""
        best: list[Span] = [(-np.inf, 0, 0)] * len(examples)
        none = [np.inf] * len(examples)
        for one, outputs in said:
            starts, ends = outputs["start_logits"], outputs["end_logits"]
            best[one.example] = max(best[one.example], self._span(one, starts, ends))
            none[one.example] = min(none[one.example], float(starts[CLS_PLACE] + ends[CLS_PLACE]))
        return [
            "" if self._some_have_none and without > score else one.context[begin:end].strip()
            for one, (score, begin, end), without in zip(examples, best, none, strict=True)
        ]

    def _span(self, one: Input, starts: Any, ends: Any) -> Span:
        inside = np.array([place for place, (_, end) in enumerate(one.places) if end], int)
        first, last = (inside[np.argsort(-values[inside], kind="stable")[:LIKELIEST]] for values in (starts, ends))
        pairs = [(a, b) for a, b in product(first.tolist(), last.tolist()) if a <= b < a + self._longest]
        if not pairs:
            return -np.inf, 0, 0
        begin, end = max(pairs, key=lambda pair: starts[pair[0]] + ends[pair[1]])
        return float(starts[begin] + ends[end]), one.places[begin][0], one.places[end][1]

    def guess(self, examples: Sequence[Question]) -> list[str]:
        """Return the beginning of each context."""
        return [" ".join(one.context.split()[: self._words]) for one in examples]

    def rows(self, metric: str, examples: Sequence[Question], answers: Sequence[str]) -> list[Row]:
        """Return how right each answer is."""
        row = exact_row if metric == "exact_match" else answer_row
        return [row(one.answers, answer) for one, answer in zip(examples, answers, strict=True)]


def _targets(one: Question, places: Sequence[tuple[int, int]]) -> dict[str, int]:
    """Return the tokens at which the first answer begins and ends; [CLS] twice if it is not all in these places."""
    start, end = one.start, one.start + len(one.answers[0]) if one.answers else 0
    first = next((place for place, (begin, stop) in enumerate(places) if begin <= start < stop), CLS_PLACE)
    last = next((place for place, (begin, stop) in enumerate(places) if begin < end <= stop), CLS_PLACE)
    if not one.answers or CLS_PLACE in (first, last):
        first = last = CLS_PLACE
    return {"start_positions": first, "end_positions": last}
