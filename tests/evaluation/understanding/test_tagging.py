"""Tagging: words stay words, the first token of each is labelled, and no word of a long sentence is lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.understanding.examples import Sentence
from evaluation.understanding.fine_tuning import read_tokenizer
from evaluation.understanding.inputs import IGNORED
from evaluation.understanding.tagging import Tagging, for_split_words, ids_of_words

WORDS = ["iso", "talo", "on", "Älä,", "10 000", "sininen"]


@pytest.fixture
def tokenizer(exported_model: Path) -> Any:
    return read_tokenizer(str(exported_model), 64)[0]


def test_words_that_are_split_already_stay_words(tokenizer: Any) -> None:
    assert tokenizer.decode(tokenizer(WORDS, is_split_into_words=True, add_special_tokens=False).input_ids) != (
        "iso talo on Älä, 10 000 sininen"
    ), "the trap that this is about"
    (ids,) = ids_of_words(for_split_words(tokenizer), [WORDS])
    assert [tokenizer.decode(own) for own in ids] == [f" {word}" for word in WORDS]
    assert [token for own in ids for token in own] == tokenizer(
        " " + " ".join(WORDS), add_special_tokens=False
    ).input_ids


def test_only_the_first_token_of_a_word_has_its_label(tokenizer: Any) -> None:
    sentence = Sentence(WORDS, ["A", "N", "V", "V", "NUM", "A"])
    kind = Tagging(tokenizer, 64, [sentence])
    (one,) = kind.inputs([sentence], learn=True)
    targets = one.targets["labels"]
    assert isinstance(targets, list)
    assert (len(targets), one.ids[0], one.ids[-1]) == (len(one.ids), tokenizer.cls_token_id, tokenizer.sep_token_id)
    labelled = [position for position, target in enumerate(targets) if target != IGNORED]
    assert [(word, position) for word, position in enumerate(labelled)] == list(one.places)
    assert [kind.labels[targets[position]] for position in labelled] == sentence.labels
    assert kind.inputs([sentence], learn=False)[0].targets == {}


def test_a_sentence_that_is_too_long_is_cut_between_words_and_every_word_is_answered(tokenizer: Any) -> None:
    sentence = Sentence([f"sana{number}" for number in range(40)] + ["x" * 99], ["N"] * 20 + ["V"] * 21)
    kind = Tagging(tokenizer, 16, [sentence])
    inputs = kind.inputs([sentence, Sentence(["a"], ["V"])], learn=True)
    assert max(len(one.ids) for one in inputs) == 16
    assert [word for one in inputs if one.example == 0 for word, _ in one.places] == list(range(41))

    def said(one: Any) -> dict[str, Any]:
        logits = np.zeros((16, 2), np.float32)
        for word, position in one.places:
            logits[position, int(one.example == 1 or word >= 20)] = 1
        return {"logits": logits}

    answers = kind.answers([sentence, Sentence(["a"], ["V"])], [(one, said(one)) for one in reversed(inputs)])
    assert answers == [sentence.labels, ["V"]]
    assert kind.rows("accuracy", [sentence], answers[:1]) == [[41, 41]]


def test_entities_are_scored_where_labels_mark_them_and_words_else(tokenizer: Any) -> None:
    marked = Sentence(["Oulu", "on", "Oulu"], ["B-LOC", "O", "B-LOC"])
    assert Tagging(tokenizer, 16, [marked]).metrics == ("span_f1", "accuracy")
    assert Tagging(tokenizer, 16, [Sentence(["Oulu"], ["PROPN"])]).metrics == ("accuracy",)
    kind = Tagging(tokenizer, 16, [marked])
    assert kind.rows("span_f1", [marked], [["B-LOC", "B-LOC", "O"]]) == [[1, 2, 2]]


def test_a_word_is_guessed_as_it_was_most_often_and_a_new_one_as_most_were(tokenizer: Any) -> None:
    learnt = [Sentence(["on", "on", "on", "se", "se"], ["V", "V", "X", "P", "P"]), Sentence(["me"], ["P"])]
    kind = Tagging(tokenizer, 16, learnt)
    assert kind.guess([Sentence(["on", "uusi"], ["V", "A"])]) == [["V", "P"]]
    assert kind.rows("accuracy", [Sentence(["on", "uusi"], ["V", "A"])], [["V", "P"]]) == [[1, 2]]
