"""What pre-training is worth shows: our encoder guesses masked words of rule-made text, and is then better than one of
the same shape with random weights, by the interval of the difference; labels that mean nothing leave it at chance.

Words of a topic stand beside each other and nothing else tells them apart, so that what words have in common is learnt
from text alone. The few labelled texts hold less than half of the words.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.summed_scores import scored, surely_best_of_sums
from corpus.tokens.bpe import train, write_tokenizer
from evaluation.understanding import measure
from evaluation.understanding.examples import Splits, Text
from model.batch import flatten
from model.export import export
from model.masking import mask_row
from model.modernbert import ModernBert, Shape
from recipe.slices.types import UnderstandingSlice

TOPICS = ["ilma", "meri", "metsä", "tie"]
WORDS, LENGTH, SHORT = 24, 16, 3
"""Of a topic; of a text to learn to guess from; of a labelled one."""
STEPS, BATCH = 300, 16
SPLITS = {"train": 16, "dev": 16, "test": 192}
"""Texts, each label equally often with each topic where it means nothing."""
FIELDS = {"name": "topic", "kind": "classification", "language": "fi", "train": "a", "test": "b", "seed": 1}
FIELDS |= {"learning_rates": [1e-3], "seeds": 2, "epochs": 10, "batch": 8, "length": 32, "warmup": 0.1}
TASK = UnderstandingSlice.model_validate(FIELDS)


@dataclass
class World:
    """Topics, each with words of its own, and chance."""

    words: dict[str, list[str]]
    chance: random.Random

    @classmethod
    def drawn(cls, seed: int) -> World:
        chance = random.Random(seed)
        syllables = [first + vowel for first in "kptsmnlr" for vowel in "aeiou"]
        names = [first + second for first in syllables for second in syllables]
        chance.shuffle(names)
        return cls({topic: names[n * WORDS : (n + 1) * WORDS] for n, topic in enumerate(TOPICS)}, chance)

    def text(self, topic: str, words: int) -> str:
        return " ".join(self.chance.choices(self.words[topic], k=words))

    def splits(self, meaningless: bool = False) -> Splits:
        """Return labelled texts; labels without meaning do not depend on the topic."""
        found = {}
        for part, number in SPLITS.items():
            topics, labels = ([TOPICS[place // every % 4] for place in range(number)] for every in (1, 4))
            pairs = zip(topics, labels if meaningless else topics, strict=True)
            found[part] = [Text(self.text(topic, SHORT), label) for topic, label in pairs]
        return Splits(**found)


def pretrain(world: World, seed: int, folder: Path) -> Path:
    """Train our encoder to guess masked words, and return config.json of its directory."""
    texts = [" " + world.text(world.chance.choice(TOPICS), LENGTH) for _ in range(STEPS * BATCH)]
    tokenizer = train(iter(texts[:1000]), 512)
    write_tokenizer(tokenizer, folder)
    shape = Shape(
        padded_vocabulary=512,
        layers=2,
        hidden=64,
        heads=2,
        intermediate=128,
        global_every=1,
        local_attention=16,
        global_rope_theta=10_000.0,
    )
    model = ModernBert(shape, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, STEPS, pct_start=0.1)
    ids = [np.array(one.ids, np.uint16) for one in tokenizer.encode_batch(texts)]
    reached = []
    for step in range(STEPS):
        numbers = range(step * BATCH, (step + 1) * BATCH)
        rows = [mask_row(ids[number], number, b"k" * 16, 0.3, tokenizer.get_vocab_size()) for number in numbers]
        batch = flatten(rows, [np.array([len(row.inputs)]) for row in rows], model.lay_out)
        factor = torch.tensor(1 / len(batch.labels))
        losses = model.losses(batch.tokens, batch.layout, batch.positions, batch.labels, factor)
        losses.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        reached.append(float(losses.total.detach()))
    assert np.mean(reached[-20:]) < log(len(TOPICS) * WORDS) - 0.3, "words are guessed from those beside them"
    export(model.state_dict(), shape, 32, folder / "manifest.json", folder)
    return folder / "config.json"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pretrained_encoder_is_surely_better_than_an_untrained_one_and_at_chance_where_nothing_is_to_learn(
    tmp_path: Path, seed: int
) -> None:
    world = World.drawn(seed)
    model = str(pretrain(world, seed, tmp_path))
    splits = world.splits()
    found: dict[str, Any] = {
        name: measure.measure(model, TASK, splits, untrained=name == "untrained")
        for name in ("pretrained", "untrained")
    }
    systems = {name: scored(one["metric"], one["counts"]) for name, one in found.items()}
    assert surely_best_of_sums(systems, seed) == "pretrained"
    assert found["pretrained"]["value"] > found["untrained"]["value"] + 0.2
    assert found["untrained"]["interval"][0] > found["untrained"]["baseline"], "it has learnt something"
    meaningless = measure.measure(model, TASK, world.splits(meaningless=True), untrained=False)
    low, high = meaningless["also"]["accuracy"]["interval"]
    assert low < 1 / len(TOPICS) < high
