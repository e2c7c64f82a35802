"""Examples of a task with the right answer, from local files or from data sets of the hub.

A file is JSON Lines or Parquet, a record an example; for tagging also a treebank in CoNLL-U. Labels are text or
numbers; a data set of the hub says what its numbers mean. Answers are as SQuAD's (arXiv 1606.05250): an object of
`text`, the answers, and `answer_start`, the character of the context at which each begins. Published ones are wrong at
times, those of translated questions above all: an answer is then looked for in its context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from common.errors import UserError
from corpus.sources.decoding import DAMAGE, decoded
from corpus.sources.fields import names_in, value_at
from corpus.sources.kinds import by_name
from evaluation.hub import needing_the_hub
from evaluation.understanding.conllu import read_conllu
from recipe.understanding import COLUMNS, TREEBANK, LabelledExamples, TaskKind

DEV_SHARE = 0.1
"""Of the training examples, where the recipe names none to choose by."""
MOST_LEFT_OUT = 0.05
"""Share of the examples of a file or split that may be left out; more are no slips of the data, but a wrong format."""


@dataclass(frozen=True)
class Text:
    """A text with its label, or two with what one is to the other."""

    text: str
    label: str
    second: str = ""
    """None where it is one text."""


@dataclass(frozen=True)
class TextWithLabels:
    """A text with all its labels, or none."""

    text: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Sentence:
    """Words, and the label of each."""

    words: list[str]
    labels: list[str]


@dataclass(frozen=True)
class Question:
    """A question and a context; answers are where they stand in it, none where it has none."""

    question: str
    context: str
    answers: list[str]
    start: int
    """Character at which the first of the answers begins; 0 where there is none."""
    moved: bool = False
    """Whether an answer stands elsewhere than the data say, or one of several nowhere."""


Example = Text | TextWithLabels | Sentence | Question


@dataclass(frozen=True)
class Splits:
    """The examples of a task."""

    train: Sequence[Any]
    dev: Sequence[Any]
    test: Sequence[Any]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Split -> questions that were left out, since no answer stands in the context. Of a drawn `dev`, in `train`."""

    def mended(self) -> dict[str, dict[str, int]]:
        """Return split -> how many questions were `moved` or `left_out`, for splits that have such."""
        found = {
            name: {
                "moved": sum(getattr(example, "moved", False) for example in getattr(self, name)),
                "left_out": self.left_out.get(name, 0),
            }
            for name in ("train", "dev", "test")
        }
        return {name: counts for name, counts in found.items() if any(counts.values())}


def read_splits(task: LabelledExamples, seed: int) -> Splits:
    """Return the examples of a task; those to choose by are drawn from the training's by `seed` if none are named.

    Raises:
        HubAbsentError: the hub is out of reach.
        UserError: something is no such example, a split has none, or too many are left out.
    """
    (train, of_train), (test, of_test) = _read(task, task.train), _read(task, task.test)
    left_out = {"train": of_train, "test": of_test}
    if task.dev:
        dev, of_dev = _read(task, task.dev)
        return Splits(train, dev, test, left_out | {"dev": of_dev})
    if len(train) < 2:
        raise UserError(f"{task.train} holds one example only; a tenth of it cannot be kept to choose by.")
    drawn = set(np.random.default_rng(seed).permutation(len(train))[: max(1, round(DEV_SHARE * len(train)))].tolist())
    learnt = [example for place, example in enumerate(train) if place not in drawn]
    return Splits(learnt, [train[place] for place in sorted(drawn)], test, left_out)


def _read(task: LabelledExamples, name: str) -> tuple[list[Example], int]:
    """Return the examples of a file or split, and how many of it are left out."""
    found: list[Example]
    left_out: list[str] = []
    if not task.hub and name.lower().endswith(TREEBANK):
        found = [Sentence(words, tags) for _, words, tags in read_conllu(_content(Path(name)), Path(name))]
    else:
        columns = task.columns or COLUMNS[task.kind]
        records = _of_hub(task, name, columns) if task.hub else _of_file(Path(name))
        read = [(place, _EXAMPLES[task.kind](place, record, columns)) for place, record in records]
        found = [example for _, example in read if example is not None]
        left_out = [place for place, example in read if example is None]
        if len(left_out) > MOST_LEFT_OUT * len(read):
            raise UserError(
                f"{len(left_out):,} of {len(read):,} questions have no answer that stands in the context, the first is "
                f"{left_out[0]}; {MOST_LEFT_OUT:.0%} may be left out. Mend them, or name the columns."
            )
    if not found:
        raise UserError(f"there is no example in {' '.join(filter(None, (task.hub, name)))}; name what has some.")
    return found, len(left_out)


def _content(path: Path) -> bytes:
    try:
        return b"".join(decoded(path, by_name(path)[1]))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; put it there or mend the path.") from None
    except (EOFError, OSError, *DAMAGE) as error:
        raise UserError(f"{path} is cut short or damaged ({error}); fetch or copy it again.") from None


def _of_file(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(path).to_pylist()
        except FileNotFoundError:
            raise UserError(f"{path} does not exist; put it there or mend the path.") from None
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path} is damaged, or no Parquet ({error}); fetch or copy it again.") from None
        yield from ((f"{path} row {number}", row) for number, row in enumerate(rows, 1))
        return
    for number, line in enumerate(_content(path).splitlines(), 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number} is no JSON object; examples have one a line.")
        yield f"{path} line {number}", row


def _of_hub(task: LabelledExamples, split: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    from datasets import ClassLabel, load_dataset

    with needing_the_hub(f"data set {task.hub}"):
        table = load_dataset(task.hub, task.subset or None, split=split)
    named = {}
    for column in columns:
        feature = table.features.get(column)
        each = getattr(feature, "feature", feature)
        if isinstance(each, ClassLabel):
            named[column] = each.names
    for number, row in enumerate(table, 1):
        for column, names in named.items():
            value = row[column]
            row[column] = [_name(names, one) for one in value] if isinstance(value, list) else _name(names, value)
        yield f"{task.hub} {split} row {number}", row


def _name(names: Sequence[str], number: int | None) -> str | None:
    """Return what a number means; nothing where it means nothing, such as -1 where a test's labels are kept secret."""
    return names[number] if number is not None and 0 <= number < len(names) else None


def _text(place: str, record: dict[str, Any], columns: Sequence[str]) -> Text:
    text, label = columns
    return Text(_string(place, record, text), _label(place, label, value_at(record, label), record))


def _pair(place: str, record: dict[str, Any], columns: Sequence[str]) -> Text:
    first, second, label = columns
    return replace(_text(place, record, (first, label)), second=_string(place, record, second))


def _text_with_labels(place: str, record: dict[str, Any], columns: Sequence[str]) -> TextWithLabels:
    text, name = columns
    labels = value_at(record, name)
    if not isinstance(labels, list):
        raise UserError(f"{place} has no list of labels {name!r}; there are: {names_in(record)}.")
    return TextWithLabels(
        _string(place, record, text), frozenset(_label(place, name, label, record) for label in labels)
    )


def _sentence(place: str, record: dict[str, Any], columns: Sequence[str]) -> Sentence:
    words, labels = (value_at(record, name) for name in columns)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        raise UserError(f"{place} has no list of words {columns[0]!r}; there are: {names_in(record)}.")
    if not isinstance(labels, list) or len(labels) != len(words):
        raise UserError(f"{place} has not one label in {columns[1]!r} for each of its {len(words)} words.")
    return Sentence(words, [_label(place, columns[1], label, record) for label in labels])


def _question(place: str, record: dict[str, Any], columns: Sequence[str]) -> Question | None:
    question, context = (_string(place, record, name) for name in columns[:2])
    given = value_at(record, columns[2])
    answers, starts = (given.get(key) if isinstance(given, dict) else None for key in ("text", "answer_start"))
    if not isinstance(answers, list) or not isinstance(starts, list) or len(answers) != len(starts):
        raise UserError(f"{place} has no {columns[2]!r} with as many `text` as `answer_start`, as SQuAD's.")
    for answer, start in zip(answers, starts, strict=True):
        if not isinstance(answer, str) or not isinstance(start, int):
            raise UserError(f"{place}: the answer {answer!r} at {start!r} is no string at a whole number.")
    stand = [(answer, _nearest(context, answer, start)) for answer, start in zip(answers, starts, strict=True)]
    there = [(answer, start) for answer, start in stand if start >= 0]
    if answers and not there:
        return None
    moved = there != list(zip(answers, starts, strict=True))
    return Question(question, context, [answer for answer, _ in there], there[0][1] if there else 0, moved)


def _nearest(context: str, answer: str, start: int) -> int:
    """Return where an answer stands nearest to `start`, of two the first; -1 where it stands nowhere."""
    start = min(max(start, 0), len(context))
    places = {context.rfind(answer, 0, start + len(answer)), context.find(answer, start)} - {-1}
    return min(places, key=lambda place: (abs(place - start), place), default=-1)


_EXAMPLES: dict[TaskKind, Callable[[str, dict[str, Any], Sequence[str]], Example | None]] = {
    "classification": _text,
    "pairs": _pair,
    "multilabel": _text_with_labels,
    "tagging": _sentence,
    "qa": _question,
}


def _string(place: str, record: dict[str, Any], name: str) -> str:
    value = value_at(record, name)
    if not isinstance(value, str) or not value:
        raise UserError(f"{place} has no string {name!r}; there are: {names_in(record)}.")
    return value


def _label(place: str, name: str, value: Any, record: dict[str, Any]) -> str:
    if not isinstance(value, str | int) or value == "":
        raise UserError(f"{place} has no label {name!r}, text or a whole number; there are: {names_in(record)}.")
    return str(value)
