"""Several labels of a text: each is learnt by itself, some texts have none, and a guess gives the commonest set."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.errors import UserError
from common.summed_scores import scored
from evaluation.understanding import measure
from evaluation.understanding.examples import Splits, TextWithLabels
from evaluation.understanding.fine_tuning import build, read_tokenizer
from evaluation.understanding.inputs import padded
from evaluation.understanding.multilabel import Multilabel
from recipe.slices.types import UnderstandingSlice

WORDS = {"kuusi": "tree", "vasara": "tool", "Oulu": "place"}


def text(words: str, *labels: str) -> TextWithLabels:
    return TextWithLabels(words, frozenset(labels))


LEARNT = [text("a", "x", "y"), text("b", "x", "y"), text("c", "z"), text("d"), text("e", "y", "z")]


@pytest.fixture
def kind(exported_model: Path) -> Multilabel:
    return Multilabel(read_tokenizer(str(exported_model), 64)[0], 16, LEARNT)


def test_each_label_is_asked_for_by_itself_with_binary_cross_entropy(exported_model: Path, kind: Multilabel) -> None:
    inputs = kind.inputs([text("a b " * 30, "z", "x"), text("b")], learn=True)
    assert [one.targets["labels"] for one in inputs] == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert max(len(one.ids) for one in inputs) == 16
    assert kind.inputs([text("b")], learn=False)[0].targets == {}
    model = build(str(exported_model), kind.head, 3, untrained=False, seed=1, problem=kind.problem).eval()
    batch = padded(inputs, model.config.pad_token_id)
    with torch.no_grad():
        found = model(**batch)
    wanted, said = batch["labels"].double().numpy(), found.logits.double().numpy()
    expected = -(wanted * np.log(1 / (1 + np.exp(-said))) + (1 - wanted) * np.log(1 / (1 + np.exp(said)))).mean()
    assert float(found.loss) == pytest.approx(expected, rel=1e-5)


def test_a_label_is_given_where_it_is_likelier_than_not_and_one_that_was_not_learnt_is_missed(kind: Multilabel) -> None:
    examples = [text("a", "x", "z"), text("b", "new"), text("c")]
    said = np.array([[2.0, 1.0, -1.0], [-1.0, -2.0, -3.0], [-1.0, 0.5, -1.0]], np.float32)
    inputs = kind.inputs(examples, learn=False)
    answers = kind.answers(examples, [(inputs[place], {"logits": said[place]}) for place in (2, 0, 1)])
    assert kind.rows("micro_f1", examples, answers) == [[1, 2, 2], [0, 0, 1], [0, 1, 0]]
    assert kind.rows("r_precision", examples, answers) == [[0.5, 1], [0, 1], [0, 0]]
    # names are new, x, y, z; f1 of x is 1, the others' is 0
    assert scored("macro_f1_of_labels", [kind.rows("macro_f1_of_labels", examples, answers)]).values() == 0.25


def test_the_guess_is_the_commonest_set_the_commonest_labels_first(kind: Multilabel) -> None:
    examples = [text("a", "x", "y"), text("b", "z"), text("c", "y")]
    guessed = kind.guess(examples)
    assert kind.rows("micro_f1", examples, guessed) == [[2, 2, 2], [0, 2, 1], [1, 2, 1]]
    assert kind.rows("r_precision", examples, guessed) == [[1, 1], [0, 1], [1, 1]]


def test_what_several_labels_say_is_learnt_and_the_result_stays_small(exported_model: Path) -> None:
    chance = random.Random(1)
    lists = [[word for word in [*WORDS, "on", "ja"] if chance.random() < 0.5] or ["on"] for _ in range(260)]
    rows = [text(" ".join(words), *(WORDS[word] for word in words if word in WORDS)) for words in lists]
    fields: dict[str, Any] = {"name": "several", "kind": "multilabel", "language": "fi", "train": "a", "test": "b"}
    fields |= {"seed": 1, "learning_rates": [3e-3], "seeds": 2, "epochs": 5, "batch": 8, "length": 32, "warmup": 0.1}
    content = UnderstandingSlice.model_validate(fields)
    found = measure.measure(str(exported_model), content, Splits(rows[:160], rows[160:190], rows[190:]), False)
    assert (found["metric"], list(found["also"])) == ("micro_f1", ["macro_f1_of_labels", "r_precision"])
    assert found["value"] > max(0.9, found["baseline"])
    assert found["also"]["r_precision"]["value"] > 0.9
    assert found["how"]["labels"] == ["place", "tool", "tree"]
    assert np.shape(found["counts"]) == (2, 70, 3)
    assert all("counts" not in one for one in found["also"].values())


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        ([text("a", "y", "x"), text("b", "x", "y")], r"all examples have the labels \['x', 'y'\]"),
        ([text("a", "x"), text("b")], "'x' is the only label; make it one of two"),
    ],
)
def test_labels_that_tell_nothing_apart_are_refused(examples: list[TextWithLabels], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Multilabel(None, 64, examples)
