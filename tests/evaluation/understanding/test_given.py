"""Less text for the same encoders: cuts are exact, evidence stands where it is told, what is cut off is missed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from evaluation.understanding import fine_tuning, measure
from evaluation.understanding.answering import Answering
from evaluation.understanding.classification import Classification
from evaluation.understanding.examples import Question, Splits, Text
from evaluation.understanding.fine_tuning import build, train
from evaluation.understanding.given import cuts_of
from evaluation.understanding.inputs import Input, asked_of, first_tokens, parts_of, token_places
from recipe.slices.types import UnderstandingSlice

FILLING, TOOLS = ["kuusi", "koivu", "tammi", "haapa"], ["vasara", "pihti", "taltta", "saha"]
TASK = {"name": "far", "kind": "qa", "language": "fi", "train": "a", "test": "b", "given": [32, 64, 128]}
FIELDS = {"seed": 1, "learning_rates": [3e-3], "seeds": 1, "epochs": 6, "batch": 8, "length": 128, "warmup": 0.1}


def far_questions(number: int, seed: int) -> list[Question]:
    """Contexts of 20 words, of which one is a tool, which is asked for; its place is drawn."""
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        words = [chance.choice(FILLING) for _ in range(20)]
        words[place := chance.randrange(20)] = tool = chance.choice(TOOLS)
        start = sum(len(word) + 1 for word in words[:place])
        found.append(Question("mikä?", " ".join(words), [tool], start))
    return found


@pytest.fixture(scope="module")
def tokenizer(exported_model: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(exported_model.parent)


def test_a_text_is_cut_after_a_number_of_tokens_and_not_within_one(tokenizer: Any) -> None:
    text = " ".join(FILLING * 5)
    whole = len(token_places(tokenizer, text))
    for number in (0, 1, 7, whole - 1, whole, whole + 1):
        cut = first_tokens(tokenizer, text, number)
        assert text.startswith(cut)
        assert len(token_places(tokenizer, cut)) == min(number, whole)


def test_what_is_given_of_a_context_is_so_many_tokens_with_its_question(tokenizer: Any) -> None:
    questions = far_questions(20, 3)
    kind = Answering(tokenizer, 256, questions)
    for cut in cuts_of(kind, questions, [32, 64], None):
        # A word whose space would be its first token is left out with it.
        assert all(cut.tokens and cut.tokens - 1 <= len(one.ids) <= cut.tokens for one in cut.inputs)
        assert [one.question for one in cut.examples] == [one.question for one in questions]


def test_evidence_stands_at_the_token_that_is_told(tokenizer: Any) -> None:
    questions = [*far_questions(20, 4), Question("mikä?", "ei mikään", [], 0)]
    kind = Answering(tokenizer, 256, questions)
    inputs = kind.inputs(questions, True)
    places = [one.targets["start_positions"] for one in inputs]
    assert kind.distances(questions) == [*places[:-1], -1]


def test_a_text_of_which_nothing_is_read_beyond_what_is_read_at_once_is_not_given_more(tokenizer: Any) -> None:
    texts = [Text(" ".join(FILLING * 9), "tree"), Text("saha", "tool")]
    kind = Classification(tokenizer, 64, texts)
    assert [cut.tokens for cut in cuts_of(kind, texts, [16, 64, 128], 64)] == [16, 64]
    assert [cut.tokens for cut in cuts_of(kind, texts, [128, 256], 64)] == [64]
    (short, _), (whole, _) = (cut.inputs for cut in cuts_of(kind, texts, [16, 64], 64))
    assert short.ids[:-1] == whole.ids[:15]


def test_the_more_is_given_the_more_is_answered_and_what_stands_beyond_is_not(exported_model: Path) -> None:
    content = UnderstandingSlice.model_validate(TASK | FIELDS)
    splits = Splits(far_questions(160, 1), far_questions(20, 2), far_questions(120, 5))
    found = measure.measure(str(exported_model), content, splits, untrained=False)
    few, more, most = found["given"]
    assert [one["tokens"] for one in (few, more, most)] == [32, 64, 128]
    assert most["value"] == found["value"] > 0.9
    assert most["values"] == found["values"]
    inside = [sum(one["examples"] for one in found["distance"] if one["below"] <= given) / 120 for given in (32, 64)]
    assert few["value"] == pytest.approx(inside[0], abs=0.15)
    assert more["value"] == pytest.approx(inside[1], abs=0.15)
    assert few["interval"][1] < more["interval"][0]
    assert [(one["from"], one["below"]) for one in found["distance"]] == [(0, 32), (32, 64), (64, 128)]
    assert sum(one["examples"] for one in found["distance"]) == 120
    assert min(one["value"] for one in found["distance"]) > 0.8


def test_a_task_that_does_not_ask_for_it_is_told_without(exported_model: Path) -> None:
    content = UnderstandingSlice.model_validate(TASK | FIELDS | {"given": [], "epochs": 1})
    splits = Splits(far_questions(8, 1), far_questions(8, 2), far_questions(8, 5))
    assert not {"given", "distance"} & set(measure.measure(str(exported_model), content, splits, untrained=True))


def test_a_batch_that_is_learnt_from_in_parts_gives_the_same_weights(
    exported_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = UnderstandingSlice.model_validate(TASK | FIELDS | {"epochs": 1})
    ids = [[1, *range(10, 10 + length), 4] for length in (3, 9, 5, 30, 2, 7, 8, 1)]
    labels = [[-100, *[length % 2] * (len(own) - 2), -100] for length, own in enumerate(ids)]
    inputs = [
        Input(place, own, {"labels": target}) for place, (own, target) in enumerate(zip(ids, labels, strict=True))
    ]
    weights = []
    for tokens in (1 << 14, 40):
        monkeypatch.setattr(fine_tuning, "TOKENS_AT_ONCE", tokens)
        encoder = build(str(exported_model), "AutoModelForTokenClassification", 2, False, 1)
        train(encoder, inputs, content, 1e-3, 1)
        weights.append(torch.cat([value.flatten() for value in encoder.state_dict().values()]))
    assert torch.allclose(*weights, atol=1e-5)
    parts = list(parts_of(inputs, 40))
    assert [len(part) for part in parts] == [1, 3, 4]
    assert sum(map(asked_of, parts)) == asked_of(inputs) == sum(len(own) - 2 for own in ids)
