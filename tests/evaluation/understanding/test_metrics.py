"""Counts of one example: entities as conlleval finds them, answers as SQuAD's script compares them."""

import pytest

from common.summed_scores import scored
from evaluation.understanding.metrics import (
    answer_row,
    are_entities,
    entities,
    entity_row,
    exact_row,
    label_row,
    normalized,
    ranked_row,
    word_row,
)


def test_span_f1_is_that_of_the_example_of_seqeval() -> None:
    wanted = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    rows = [entity_row(*pair) for pair in zip(wanted, predicted, strict=True)]
    assert scored("span_f1", [rows]).values() == pytest.approx(0.5)
    rows = [word_row(*pair) for pair in zip(wanted, predicted, strict=True)]
    assert scored("accuracy", [rows]).values() == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["B-LOC", "B-LOC", "I-LOC"], {(0, 1, "LOC"), (1, 3, "LOC")}),
        (["I-LOC", "I-PER", "O", "I-PER"], {(0, 1, "LOC"), (1, 2, "PER"), (3, 4, "PER")}),
        (["B-LOC", "I-PER"], {(0, 1, "LOC"), (1, 2, "PER")}),
        (["O", "B-A-B", "I-A-B"], {(1, 3, "A-B")}),
        (["O"], set()),
    ],
)
def test_entities_begin_and_end_as_in_conlleval(labels: list[str], found: set) -> None:
    assert entities(labels) == found


@pytest.mark.parametrize(
    ("wanted", "ranked", "row"),
    [
        ("ab", "axby", [0.5, 1]),
        ("ab", "bayx", [1, 1]),
        ("abc", "xya", [1 / 3, 1]),
        ("ab", "a", [0.5, 1]),  # fewer were learnt than are wanted
        ("", "ab", [0, 0]),
    ],
)
def test_r_precision_looks_at_as_many_labels_as_are_wanted(wanted: str, ranked: str, row: list[float]) -> None:
    assert ranked_row(frozenset(wanted), ranked) == pytest.approx(row)


def test_a_text_without_labels_has_no_r_precision_and_weighs_nothing_in_the_mean() -> None:
    rows = [ranked_row(frozenset("ab"), "axb"), ranked_row(frozenset(), "axb"), ranked_row(frozenset("x"), "xab")]
    assert scored("r_precision", [rows]).values() == pytest.approx((0.5 + 1) / 2)


def test_labels_of_a_text_are_counted_that_are_right_predicted_and_wanted() -> None:
    rows = [label_row(frozenset("ab"), frozenset("bcd")), label_row(frozenset(), frozenset()), [1, 1, 1]]
    assert rows[:2] == [[1, 3, 2], [0, 0, 0]]
    assert scored("micro_f1", [rows]).values() == pytest.approx(2 * 2 / (4 + 3))


def test_labels_mark_entities_only_if_all_do() -> None:
    assert are_entities(["O", "B-LOC", "I-LOC"])
    assert not are_entities(["NOUN", "VERB", "O"])
    assert not are_entities(["O"])


@pytest.mark.parametrize(
    ("wanted", "predicted", "exact", "f1"),
    [
        (["the Eiffel Tower"], "Eiffel tower!", 1, 1),
        (["Denver Broncos", "The Broncos"], "broncos of Denver", 0, 2 * 2 / (3 + 2)),
        (["in 1998"], "1998", 0, 2 / 3),
        (["kaksi kaksi"], "kaksi", 0, 2 / 3),
        (["Oulu"], "Turku", 0, 0),
        ([], "", 1, 1),
        ([], "Turku", 0, 0),
        (["Turku"], "", 0, 0),
    ],
)
def test_answers_are_compared_as_by_squad(wanted: list[str], predicted: str, exact: float, f1: float) -> None:
    assert exact_row(wanted, predicted) == [exact, 1]
    assert answer_row(wanted, predicted) == pytest.approx([f1, 1])


def test_an_answer_is_compared_without_case_punctuation_and_articles() -> None:
    assert normalized(" The  U.S.A., an ÄITI - a") == "usa äiti"
