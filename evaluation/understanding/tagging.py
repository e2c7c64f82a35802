"""Tagging: a label of each word, told by the first of the word's tokens.

A sentence that is longer than what is read at once is cut between words, so that every word has its answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tokenizers import pre_tokenizers

from evaluation.understanding.examples import Sentence
from evaluation.understanding.fine_tuning import Outputs
from evaluation.understanding.inputs import IGNORED, Input
from evaluation.understanding.metrics import Row, are_entities, entity_row, word_row

SPECIAL = 2
"""[CLS] and [SEP] of an input."""


def for_split_words(tokenizer: Any) -> Any:
    """Let a byte-level tokenizer put a space before each word that it is given; else it glues words. Returns it.

    `add_prefix_space=True` does nothing for one in transformers 5 (its issue 37883).
    """
    if isinstance(tokenizer.backend_tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel):
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer


def ids_of_words(tokenizer: Any, sentences: Sequence[Sequence[str]]) -> Iterator[list[list[int]]]:
    """Yield the ids of each word of each sentence; a word that leaves no token is unknown."""
    encoded = tokenizer(list(map(list, sentences)), is_split_into_words=True, add_special_tokens=False)
    for place, (words, ids) in enumerate(zip(sentences, encoded.input_ids, strict=True)):
        of_word: list[list[int]] = [[] for _ in words]
        for word, token in zip(encoded.word_ids(place), ids, strict=True):
            of_word[word].append(token)
        yield [own or [tokenizer.unk_token_id] for own in of_word]


class Tagging:
    """See `evaluation.understanding.kinds.Kind`. A place of an input is (word, position of its first token)."""

    head = "AutoModelForTokenClassification"
    problem = None
    baseline = "the commonest label of each word, or of all where it was not learnt"

    def __init__(self, tokenizer: Any, length: int, train: Sequence[Sentence]) -> None:
        """Take the labels from the examples to learn from."""
        self._tokenizer, self._length = for_split_words(tokenizer), length
        special = (tokenizer.cls_token_id, tokenizer.sep_token_id)
        self._before, self._after = ([one] if one is not None else [] for one in special)
        of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sentence in train:
            for word, label in zip(sentence.words, sentence.labels, strict=True):
                of_word[word][label] += 1
        counted = sum(of_word.values(), Counter[str]())
        self.labels = sorted(counted)
        self.metrics = ("span_f1", "accuracy") if are_entities(self.labels) else ("accuracy",)
        self._commonest = {word: max(sorted(own), key=own.__getitem__) for word, own in of_word.items()}
        self._default = max(self.labels, key=counted.__getitem__)

    def inputs(self, examples: Sequence[Sentence], learn: bool) -> list[Input]:
        """Return the inputs of each sentence, several where it is long."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return [
            self._input(place, sentence, words, numbers if learn else {})
            for place, (sentence, ids) in enumerate(
                zip(examples, ids_of_words(self._tokenizer, [one.words for one in examples]), strict=True)
            )
            for words in _parts(ids, self._length - SPECIAL)
        ]

    def _input(
        self, example: int, sentence: Sentence, words: Sequence[tuple[int, list[int]]], numbers: dict[str, int]
    ) -> Input:
        ids = [*self._before]
        targets, places = [IGNORED] * len(ids), []
        for word, own in words:
            places.append((word, len(ids)))
            targets += [numbers.get(sentence.labels[word], IGNORED), *[IGNORED] * (len(own) - 1)]
            ids += own
        ids += self._after
        return Input(example, ids, {"labels": targets + [IGNORED] * len(self._after)} if numbers else {}, places)

    def answers(self, examples: Sequence[Sentence], said: Iterable[tuple[Input, Outputs]]) -> list[list[str]]:
        """Return the likeliest label of each word."""
        found = [[""] * len(one.words) for one in examples]
        for one, outputs in said:
            likeliest = outputs["logits"].argmax(axis=-1)
            for word, position in one.places:
                found[one.example][word] = self.labels[int(likeliest[position])]
        return found

    def guess(self, examples: Sequence[Sentence]) -> list[list[str]]:
        """Return the label that each word has most often."""
        return [[self._commonest.get(word, self._default) for word in one.words] for one in examples]

    def rows(self, metric: str, examples: Sequence[Sentence], answers: Sequence[list[str]]) -> list[Row]:
        """Return what is right of the words, or of the entities, of each sentence."""
        row = word_row if metric == "accuracy" else entity_row
        return [row(one.labels, own) for one, own in zip(examples, answers, strict=True)]


def _parts(ids: Sequence[list[int]], length: int) -> Iterator[list[tuple[int, list[int]]]]:
    """Yield (number of a word, its ids) in parts of at most `length` ids, cut between words; a longer word is cut."""
    part: list[tuple[int, list[int]]] = []
    size = 0
    for number, own in enumerate(ids):
        own = own[:length]
        if part and size + len(own) > length:
            yield part
            part, size = [], 0
        part.append((number, own))
        size += len(own)
    if part:
        yield part
