"""A kind of task: how its examples are put to an encoder, and what the encoder's outputs answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from evaluation.understanding.fine_tuning import Outputs
from evaluation.understanding.inputs import Input
from evaluation.understanding.metrics import Row


class Kind(Protocol):
    """One kind of task, made from the tokenizer, the tokens read at once and the examples to learn from."""

    head: str
    """Class of transformers that answers."""
    problem: str | None
    """Which of the head's problems, as transformers has it; none where it has one only."""
    metrics: tuple[str, ...]
    """Of `common.summed_scores`; the first is the one that chooses."""
    labels: Sequence[str]
    """Of the head's outputs."""
    baseline: str
    """What the answers of `guess` are."""

    def inputs(self, examples: Sequence[Any], learn: bool) -> list[Input]:
        """Return the inputs of examples, with their targets if they are to be learnt."""

    def answers(self, examples: Sequence[Any], said: Iterable[tuple[Input, Outputs]]) -> list[Any]:
        """Return an answer to each example from what a model said of its inputs, whatever their order."""

    def guess(self, examples: Sequence[Any]) -> list[Any]:
        """Return an answer to each example that needs no encoder."""

    def rows(self, metric: str, examples: Sequence[Any], answers: Sequence[Any]) -> list[Row]:
        """Return what a metric counts of each example."""
