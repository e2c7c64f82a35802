"""Rankings: nDCG@10 by hand and as `mteb` computes it, BM25 by words, an encoder through `mteb`."""

from itertools import permutations
from math import log2
from pathlib import Path

import mteb
import pytest

from evaluation.retrieval.fine_tune import build
from evaluation.retrieval.ranking import METRIC, _as_mteb, expected_at_random, grade, rank_by_bm25, rank_by_encoder
from evaluation.retrieval.tasks import Task

ANIMALS = ["kissa naukuu yöllä", "koira haukkuu pihalla", "lehmä ammuu laitumella", "sika röhkii karsinassa"]
TASK = Task(
    "animals",
    {f"d{number}": text for number, text in enumerate(ANIMALS)},
    {"q0": "kuka naukuu", "q1": "Koira pihalla", "q2": "hevonen"},
    {"q0": {"d0": 1}, "q1": {"d1": 2, "d2": 1}, "q2": {"d3": 1}},
)


def test_ndcg_is_that_of_a_case_by_hand() -> None:
    ranking = {"q0": {"d1": 3.0, "d0": 2.0}, "q1": {"d2": 0.5, "d3": 0.4, "d1": 0.3}}
    graded = grade(ranking, TASK.relevant)
    assert graded["q0"] == pytest.approx(1 / log2(3))
    assert graded["q1"] == pytest.approx((1 + 2 / log2(4)) / (2 + 1 / log2(3)))
    assert graded["q2"] == 0.0, "nothing was found for it"


def test_no_more_than_ten_documents_count() -> None:
    ranking = {"q0": {f"x{number}": 20.0 - number for number in range(10)} | {"d0": 1.0}}
    assert grade(ranking, {"q0": {"d0": 1}}) == {"q0": 0.0}


def test_bm25_finds_documents_that_share_a_word_whatever_its_case() -> None:
    ranking = rank_by_bm25(TASK)
    assert list(ranking["q0"]) == ["d0"]
    assert max(ranking["q1"], key=ranking["q1"].get) == "d1"
    assert ranking["q2"] == {}


def test_an_encoder_is_graded_as_mteb_grades_it(exported_model: Path) -> None:
    encoder = build(str(exported_model), 32, untrained=False, seed=1)
    graded = grade(rank_by_encoder(encoder, TASK), TASK.relevant)
    result = mteb.evaluate(encoder, [_as_mteb(TASK)], cache=None, show_progress_bar=False, co2_tracker=False)
    assert sum(graded.values()) / 3 == pytest.approx(result.task_results[0].scores["test"][0][METRIC], abs=1e-5)
    assert len(set(graded.values())) > 1


def test_what_a_ranking_at_random_reaches_is_the_mean_over_all_rankings() -> None:
    names = [f"d{number}" for number in range(6)]
    relevant = {"one": {"d0": 1}, "two": {"d1": 3, "d2": 1, "d3": 1}}
    task = Task("t", dict.fromkeys(names, "x"), dict.fromkeys(relevant, "x"), relevant)
    total = 0.0
    for order in (orders := list(permutations(names))):
        ranking = {name: 6.0 - place for place, name in enumerate(order)}
        total += sum(grade(dict.fromkeys(relevant, ranking), relevant).values()) / 2
    assert expected_at_random(task) == pytest.approx(total / len(orders), abs=1e-6)
    many = Task("t", dict.fromkeys(map(str, range(50)), "x"), {"q": "x"}, {"q": {"3": 1}})
    assert expected_at_random(many) == pytest.approx(sum(1 / log2(rank + 1) for rank in range(1, 11)) / 50)
