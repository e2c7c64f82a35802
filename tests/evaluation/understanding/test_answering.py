"""Questions: the tokens of an answer, windows of long contexts, the likeliest span, and questions without an answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.understanding.answering import Answering
from evaluation.understanding.examples import Question
from evaluation.understanding.fine_tuning import read_tokenizer

CONTEXT = "Alasin on vanha, ja vasara on uusi. " * 6 + "Takka on Älvdalenissa, ja seppä nukkuu."
ASKED = Question("Missä takka on?", CONTEXT, ["Älvdalenissa"], CONTEXT.index("Älvdalenissa"))
NONE = Question("Missä ovi on?", CONTEXT, [], 0)


@pytest.fixture
def tokenizer(exported_model: Path) -> Any:
    return read_tokenizer(str(exported_model), 64)[0]


def say(kind: Answering, examples: Sequence[Question], certain: float = 9.0) -> list[str]:
    """What is answered if a model says exactly the targets, so surely, and is unsure of all else."""
    said = []
    for one in kind.inputs(examples, learn=True):
        starts, ends = np.zeros((2, len(one.ids)), np.float32)
        starts[one.targets["start_positions"]] += certain
        ends[one.targets["end_positions"]] += certain
        said.append((one, {"start_logits": starts, "end_logits": ends}))
    return kind.answers(examples, said[::-1])


def test_the_characters_of_the_targets_are_the_answer_in_whichever_window_it_lies(tokenizer: Any) -> None:
    kind = Answering(tokenizer, 48, [ASKED])
    windows = kind.inputs([ASKED], learn=True)
    assert len(windows) > 3
    assert max(len(one.ids) for one in windows) <= 48
    holding = [one for one in windows if one.targets["start_positions"]]
    assert 0 < len(holding) < len(windows)
    for one in holding:
        begin, end = one.places[one.targets["start_positions"]][0], one.places[one.targets["end_positions"]][1]
        assert CONTEXT[begin:end].strip(" ,") == "Älvdalenissa"
    assert [answer.strip(",") for answer in say(kind, [ASKED])] == ["Älvdalenissa"]


def test_no_answer_is_given_only_where_some_questions_have_none(tokenizer: Any) -> None:
    assert say(Answering(tokenizer, 48, [ASKED, NONE]), [NONE, ASKED])[0] == ""
    assert say(Answering(tokenizer, 48, [ASKED]), [NONE])[0] != ""


def test_an_answer_ends_after_it_begins_and_is_no_longer_than_those_learnt(tokenizer: Any) -> None:
    kind = Answering(tokenizer, 64, [Question("?", "on", ["on"], 0)])
    question = Question("Kuka?", "a b c d e f", ["a"], 0)
    (one,) = kind.inputs([question], learn=False)
    inside = [place for place, (_, end) in enumerate(one.places) if end]
    starts, ends = np.zeros((2, len(one.ids)), np.float32)
    starts[inside[3]], ends[inside[1]], ends[inside[-1]], ends[inside[4]] = 5, 4, 4, 1
    (answer,) = kind.answers([question], [(one, {"start_logits": starts, "end_logits": ends})])
    assert question.context[one.places[inside[3]][0] : one.places[inside[4]][1]].strip() == answer


def test_a_question_that_is_too_long_leaves_room_for_its_context(tokenizer: Any) -> None:
    question = Question("mitä " * 200, CONTEXT, ["Alasin"], 0)
    windows = Answering(tokenizer, 32, [question]).inputs([question], learn=True)
    assert all(sum(end > 0 for _, end in one.places) >= 10 for one in windows[:-1])


def test_the_guess_is_the_beginning_of_the_context(tokenizer: Any) -> None:
    kind = Answering(tokenizer, 32, [Question("?", "yksi kaksi", ["yksi kaksi"], 0)])
    assert kind.guess([ASKED]) == ["Alasin on"]
    assert kind.rows("exact_match", [ASKED], ["älvdalenissa."]) == [[1, 1]]
    assert kind.rows("token_f1", [ASKED], ["on Älvdalenissa"]) == [[pytest.approx(2 / 3), 1]]
