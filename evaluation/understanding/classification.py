"""Classification: one label of a text or of two, cut where they are longer than what is read, the longer first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from common.errors import UserError
from evaluation.understanding.examples import Text
from evaluation.understanding.fine_tuning import Outputs
from evaluation.understanding.given import CutTexts
from evaluation.understanding.inputs import Input, types_of
from evaluation.understanding.metrics import Row


class Classification(CutTexts):
    """See `evaluation.understanding.kinds.Kind`."""

    head = "AutoModelForSequenceClassification"
    problem = "single_label_classification"
    metrics = ("macro_f1", "accuracy")
    baseline = "the commonest label"

    def __init__(self, tokenizer: Any, length: int, train: Sequence[Text]) -> None:
        """Take the labels from the examples to learn from.

        Raises:
            UserError: all have the same.
        """
        super().__init__(tokenizer)
        self._length = length
        counted = Counter(example.label for example in train)
        self.labels = sorted(counted)
        if len(counted) < 2:
            raise UserError(f"all examples have the label {self.labels[0]!r}; there is nothing to tell apart.")
        self._commonest = max(self.labels, key=counted.__getitem__)

    def inputs(self, examples: Sequence[Text], learn: bool) -> list[Input]:
        """Return one input an example."""
        second = [one.second for one in examples] if examples[0].second else None
        encoded = self._tokenizer([one.text for one in examples], second, truncation=True, max_length=self._length)
        numbers = {label: number for number, label in enumerate(self.labels)}
        return [
            Input(place, ids, {"labels": numbers[one.label]} if learn else {}, types=types_of(encoded, place))
            for place, (one, ids) in enumerate(zip(examples, encoded.input_ids, strict=True))
        ]

    def answers(self, examples: Sequence[Text], said: Iterable[tuple[Input, Outputs]]) -> list[str]:
        """Return the likeliest label of each."""
        found = {one.example: self.labels[int(outputs["logits"].argmax())] for one, outputs in said}
        return [found[place] for place in range(len(examples))]

    def guess(self, examples: Sequence[Text]) -> list[str]:
        """Return the commonest label for each."""
        return [self._commonest] * len(examples)

    def rows(self, metric: str, examples: Sequence[Text], answers: Sequence[str]) -> list[Row]:
        """Return the numbers of the label that is wanted and of the answer, or whether they are the same."""
        if metric == "accuracy":
            return [[one.label == answer, 1] for one, answer in zip(examples, answers, strict=True)]
        names = sorted({*self.labels, *(one.label for one in examples)})
        numbers = {label: number for number, label in enumerate(names)}
        return [[numbers[one.label], numbers[answer]] for one, answer in zip(examples, answers, strict=True)]
