"""What an encoder is given: pieces of token ids with what it should answer, put together in padded batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

IGNORED = -100
"""The target of a token that nothing is asked of; torch's cross-entropy leaves it out."""
SORTED_TOGETHER = 50
"""Batches whose inputs are sorted by length before they are cut, so that little is padded."""


@dataclass(frozen=True)
class Input:
    """One piece of text for the encoder."""

    example: int
    """Which example it is of."""
    ids: list[int]
    """With the special tokens."""
    targets: Mapping[str, int | list[int] | list[float]] = field(default_factory=dict)
    """As transformers' models call them: one number, one for each id, or a float for each label."""
    places: Sequence[tuple[int, int]] = ()
    """Where its answer is: see the kind of task that makes it."""
    types: Sequence[int] = ()
    """Which of two texts each id is of, where the tokenizer says so: encoders such as BERT learn it."""


def types_of(encoded: Any, place: int) -> Sequence[int]:
    """Return the types of one input of those that a tokenizer of transformers made; none if it makes none."""
    found: Sequence[int] = encoded["token_type_ids"][place] if "token_type_ids" in encoded else ()
    return found


def first_tokens(tokenizer: Any, text: str, number: int) -> str:
    """Return the beginning of a text that is `number` tokens, or all of it if that is no more."""
    places = token_places(tokenizer, text)
    return text if len(places) <= number else text[: places[number][0] if number > 0 else 0].rstrip()


def token_places(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Return the characters at which each token of a text begins and ends, without special tokens."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    found: list[tuple[int, int]] = encoded.offset_mapping
    return found


def asked_of(inputs: Sequence[Input]) -> int:
    """Return how many answers are asked of some inputs: what the loss of a batch is the mean over."""
    values = [value for one in inputs for value in one.targets.values()]
    return sum(sum(one != IGNORED for one in value) if isinstance(value, list) else 1 for value in values)


def parts_of(batch: Sequence[Input], tokens: int) -> Iterator[list[Input]]:
    """Yield the inputs of a batch, the longest first, so many at a time that they are at most `tokens` with padding."""
    left = sorted(batch, key=lambda one: len(one.ids), reverse=True)
    while left:
        number = max(1, tokens // len(left[0].ids))
        yield left[:number]
        left = left[number:]


def shuffled_batches(inputs: Sequence[Input], batch: int, chance: np.random.Generator) -> Iterator[list[Input]]:
    """Yield every input once, `batch` at a time, those of a batch of similar length."""
    order = chance.permutation(len(inputs)).tolist()
    window = batch * SORTED_TOGETHER
    batches = [
        near[place : place + batch]
        for first in range(0, len(order), window)
        for near in [sorted(order[first : first + window], key=lambda number: len(inputs[number].ids))]
        for place in range(0, len(near), batch)
    ]
    for number in chance.permutation(len(batches)).tolist():
        yield [inputs[place] for place in batches[number]]


def padded(inputs: Sequence[Input], pad: int) -> dict[str, Tensor]:
    """Return tensors for a model of transformers: int64[inputs, longest], int64[inputs] for targets of one number.

    Targets of each label are float32[inputs, labels].
    """
    content: dict[str, Any] = {
        "input_ids": _rows([one.ids for one in inputs], pad),
        "attention_mask": _rows([[1] * len(one.ids) for one in inputs], 0),
    }
    if inputs[0].types:
        content["token_type_ids"] = _rows([one.types for one in inputs], 0)
    for name, first in inputs[0].targets.items():
        values = [one.targets[name] for one in inputs]
        content[name] = _rows(values, IGNORED) if isinstance(first, list) else values
    return {name: torch.tensor(value) for name, value in content.items()}


def _rows(values: Sequence[Any], fill: int) -> list[list[int]]:
    longest = max(map(len, values))
    return [[*own, *[fill] * (longest - len(own))] for own in values]
