"""Batches: every input once, those of a batch of similar length, padded as transformers wants them."""

import numpy as np
import torch

from evaluation.understanding.inputs import IGNORED, Input, padded, shuffled_batches


def test_every_input_is_in_one_batch_in_an_order_that_the_seed_gives() -> None:
    lengths = np.random.default_rng(1).integers(2, 60, 230).tolist()
    inputs = [Input(number, [7] * length) for number, length in enumerate(lengths)]
    first, again, other = (list(shuffled_batches(inputs, 8, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert sorted(one.example for batch in first for one in batch) == list(range(230))
    assert max(map(len, first)) == 8
    assert first == again
    assert first != other
    spread = [len(batch[-1].ids) - len(batch[0].ids) for batch in first]
    assert max(spread) < 8


def test_ids_and_targets_are_padded_to_the_longest() -> None:
    tagged = [Input(0, [1, 5, 4], {"labels": [IGNORED, 2, IGNORED]}), Input(1, [1, 4], {"labels": [0, 1]})]
    content = padded(tagged, 9)
    assert content["input_ids"].tolist() == [[1, 5, 4], [1, 4, 9]]
    assert content["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert content["labels"].tolist() == [[IGNORED, 2, IGNORED], [0, 1, IGNORED]]
    several = padded([Input(0, [1], {"labels": [1.0, 0.0, 1.0]}), Input(1, [1], {"labels": [0.0] * 3})], 9)["labels"]
    assert several.equal(torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    assert padded([Input(0, [1], {"labels": 3})], 9)["labels"].equal(torch.tensor([3]))
