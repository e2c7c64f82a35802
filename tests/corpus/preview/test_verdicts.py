"""What each step would do by itself, and that all together they do what the stage does."""

import numpy as np
import pytest

from corpus.demo.package_text import udhr
from corpus.preview.spread import Spread
from corpus.preview.summary import summary
from corpus.preview.verdicts import try_steps
from corpus.sampling.account import Account
from corpus.sampling.steps import steps_of
from corpus.sources.readers import Batch
from recipe.cleaning import Cleaning
from recipe.cleaning_defaults import settled
from recipe.slices.types import SourceSlice

FI, EN = ([record["text"] for record in udhr(language)] for language in ("fi", "en"))
TEXTS = [
    *FI,
    *EN,
    f"{FI[1]}\n{EN[1]}",
    "OK",
    f"{FI[2]} matti@yritys.fi",
    "p&auml;&auml;t&ouml;s",
    "\n".join(FI[:2] * 3),
]


def spread(texts, fields=()):
    fields = list(fields) or [{} for _ in texts]
    places = [f"file line {number}" for number, _ in enumerate(texts, 1)]
    return Spread([text.encode() for text in texts], list(map(len, texts)), fields, places, len(texts))


def source(cleaning, language="fi", **filters):
    asked = settled(Cleaning.model_validate(cleaning), language)
    made = {"name": "x", "seed": 1, "language": language, "files": ["unused"], "cleaning": asked, "filters": filters}
    return SourceSlice.model_validate(made)


def reasons(trial, asked=True):
    return {verdict.reason: int(verdict.refused.sum()) for verdict in trial.verdicts if verdict.asked is asked}


@pytest.mark.parametrize(
    "cleaning",
    [
        {},
        {"language": True, "quality": {"min_words": 4}},
        {"language": {"paragraphs": True, "min_score": 0.3}, "quality": {"min_words": 4, "min_stop_words": 1}},
    ],
)
def test_all_together_leave_what_the_steps_of_the_stage_leave(cleaning):
    asked = source(cleaning, min_characters=5)
    trial = try_steps(asked, spread(TEXTS))
    batch, account = Batch("x"), Account()
    batch.add(TEXTS, [{} for _ in TEXTS], range(len(TEXTS)))
    for name, step in steps_of(asked).items():
        if name != "private data":
            batch = step(batch, account)
    assert [text for text, gone in zip(trial.texts, trial.refused, strict=True) if not gone] == batch.texts
    assert {reason for reason, count in reasons(trial).items() if count} >= set(account.dropped)


def test_a_document_that_several_filters_refuse_counts_for_all():
    fields = [{"score": 1, "kind": "a"}, {"score": 5, "kind": "b"}, {"kind": "b"}]
    trial = try_steps(
        source({}, min_characters=3, min_scores={"score": 3}, allowed_values={"kind": ["b"]}),
        spread(["a", "abcd", "abc"], fields),
    )
    found = {"characters < 3": 1, "score < 3": 1, "score is no number": 1, "kind is not b": 1}
    assert reasons(trial) == found
    assert trial.refused.tolist() == [True, False, True]
    only = {verdict.reason: int(trial.only(verdict).sum()) for verdict in trial.verdicts if verdict.asked}
    assert only == {"characters < 3": 0, "score < 3": 0, "score is no number": 1, "kind is not b": 0}


def test_steps_that_are_not_asked_for_are_tried_and_change_nothing_for_the_others():
    trial = try_steps(source({}), spread(TEXTS))
    assert reasons(trial) == {}
    assert not trial.refused.any()
    tried = reasons(trial, asked=False)
    assert tried["another language"] >= len(EN)
    assert tried["words < 50"] > 0
    assert trial.texts[len(FI) + len(EN)] == f"{FI[1]}\n{EN[1]}".encode()
    assert [change.asked for change in trial.changes if change.what == "lines in another language"] == [False]


@pytest.mark.parametrize("language", ["code", "en-fi"])
def test_where_no_engine_and_no_threshold_is_known_nothing_is_tried(language):
    trial = try_steps(source({}, language), spread(TEXTS))
    assert trial.verdicts == []


def test_what_changes_texts_is_counted():
    trial = try_steps(source({"language": {"paragraphs": True}}), spread(TEXTS))
    changes = {change.what: (change.step, change.count, change.unit) for change in trial.changes}
    assert changes["HTML entities"] == ("repair", 1, "document")
    assert changes["email"] == ("private data", 1, "place")
    assert changes["lines in another language"] == ("language", 1, "document")


def test_examples_begin_nearest_to_the_threshold_on_either_side():
    texts = ["a" * length for length in (9, 3, 12, 7, 20, 10)]
    documents = spread(texts)
    asked = source({}, min_characters=10)
    told = summary(asked, 1, documents, try_steps(asked, documents), 2)
    (filtered,) = [each for each in told["filters"] if each["asked"]]
    assert (filtered["reason"], filtered["documents"], filtered["bytes"], filtered["only"]) == (
        "characters < 10",
        3,
        19,
        3,
    )
    assert [example["number"] for example in filtered["refused"]] == ["9", "7"]
    assert [example["number"] for example in filtered["passed"]] == ["10", "12"]
    assert filtered["refused"][0] == {"number": "9", "place": "file line 1", "text": "a" * 9}
    assert told["left"] == {"documents": 3, "bytes": 42}


def test_no_documents_are_nothing():
    asked = source({"language": {"paragraphs": True}, "quality": True})
    trial = try_steps(asked, spread([]))
    assert summary(asked, 1, spread([]), trial, 3)["documents"] == 0
    assert trial.refused.dtype == np.bool_
