"""Classification with any number of labels a text, also none: each label is asked for by itself.

The head learns by binary cross-entropy, and a label is given where it is likelier than not. No threshold is sought: one
of the dev examples would be another choice to make for each seed, and results by 0.5 are those of LexGLUE
(arXiv 2110.00976). R-precision, which MultiEURLEX (arXiv 2109.00904) reports, needs none at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from evaluation.understanding.examples import TextWithLabels
from evaluation.understanding.fine_tuning import Outputs
from evaluation.understanding.given import CutTexts
from evaluation.understanding.inputs import Input
from evaluation.understanding.metrics import Row, label_row, ranked_row

Answer = NDArray[np.float32]
"""float32[labels]: the higher the surer, above 0 where the label is given: the logit of a chance of 0.5."""


class Multilabel(CutTexts):
    """See `evaluation.understanding.kinds.Kind`."""

    head = "AutoModelForSequenceClassification"
    problem = "multi_label_classification"
    metrics = ("micro_f1", "macro_f1_of_labels", "r_precision")
    baseline = "the commonest set of labels"

    def __init__(self, tokenizer: Any, length: int, train: Sequence[TextWithLabels]) -> None:
        """Take the labels from the examples to learn from.

        Raises:
            UserError: all have the same, or there is only one.
        """
        super().__init__(tokenizer)
        self._length = length
        counted = Counter(label for example in train for label in example.labels)
        sets = Counter(example.labels for example in train)
        self.labels = sorted(counted)
        if len(sets) < 2:
            raise UserError(f"all examples have the labels {self.labels}; there is nothing to tell apart.")
        if len(self.labels) < 2:
            raise UserError(f"{self.labels[0]!r} is the only label; make it one of two, of a task of classification.")
        commonest = max(sorted(sets, key=sorted), key=sets.__getitem__)
        often = [counted[label] / (len(train) + 1) - (label not in commonest) for label in self.labels]
        self._commonest = np.array(often, np.float32)

    def inputs(self, examples: Sequence[TextWithLabels], learn: bool) -> list[Input]:
        """Return one input an example."""
        encoded = self._tokenizer([one.text for one in examples], truncation=True, max_length=self._length)
        return [
            Input(place, ids, {"labels": [float(label in one.labels) for label in self.labels]} if learn else {})
            for place, (one, ids) in enumerate(zip(examples, encoded.input_ids, strict=True))
        ]

    def answers(self, examples: Sequence[TextWithLabels], said: Iterable[tuple[Input, Outputs]]) -> list[Answer]:
        """Return how sure each label is of each text."""
        found = {one.example: outputs["logits"] for one, outputs in said}
        return [found[place] for place in range(len(examples))]

    def guess(self, examples: Sequence[TextWithLabels]) -> list[Answer]:
        """Return the commonest set of labels for each; among those and among all others, commoner ones are surer."""
        return [self._commonest] * len(examples)

    def rows(self, metric: str, examples: Sequence[TextWithLabels], answers: Sequence[Answer]) -> list[Row]:
        """Return what a metric counts of each text; a label that was not learnt is wanted all the same."""
        pairs = list(zip(examples, answers, strict=True))
        if metric == "r_precision":
            return [ranked_row(one.labels, self._ranked(answer, len(one.labels))) for one, answer in pairs]
        if metric == "micro_f1":
            return [label_row(one.labels, self._given(answer)) for one, answer in pairs]
        names = sorted(frozenset(self.labels).union(*(one.labels for one in examples)))
        given = [(one.labels, self._given(answer)) for one, answer in pairs]
        return [[(name in wanted) + 2 * (name in own) for name in names] for wanted, own in given]

    def _given(self, answer: Answer) -> frozenset[str]:
        return frozenset(self.labels[place] for place in np.flatnonzero(answer > 0))

    def _ranked(self, answer: Answer, number: int) -> list[str]:
        return [self.labels[place] for place in np.argsort(-answer, kind="stable")[:number]]
