"""What each step left of the text: by source, and by language though sources take different steps."""

from typing import Any

import pytest

from workflow.statistics.text import left_after, of_languages, of_source, order_of_steps


def manifest(code: str, **steps: tuple[int, int, int]) -> dict[str, Any]:
    """The manifest of a source, given step -> documents, bytes and words that it left."""
    told = [{"step": name, "documents": d, "bytes": b, "words": w} for name, (d, b, w) in steps.items()]
    lengths = {"word_histogram_before": [1, 2, 3], "word_histogram": [0, 2]}
    return {"language": code, "read": 20, "steps": told, **lengths}


def shards(train: int, test: int, text_bytes: int) -> dict[str, Any]:
    splits = {"train": {"ids": train, "text_bytes": text_bytes - 10}, "test": {"ids": test, "text_bytes": 10}}
    return {"splits": splits}


NEWS = of_source(
    manifest("fi", reading=(10, 1000, 100), filters=(9, 900, 80), duplicates=(5, 400, 50)), {"a": shards(90, 10, 400)}
)
BOOKS = of_source(
    manifest("fi", reading=(4, 500, 50), language=(3, 300, 30), filters=(2, 200, 20), duplicates=(2, 200, 20)),
    {"a": shards(40, 10, 200), "b": shards(20, 5, 200)},
)
OTHER = of_source(manifest("sv", reading=(1, 8, 2)), {"b": shards(2, 0, 10)})


def test_tokens_are_counted_at_the_end_and_estimated_by_the_bytes_of_a_token_before() -> None:
    assert NEWS["tokens"] == {"a": {"train": 90, "test": 10}}
    assert NEWS["bytes_per_token"] == {"a": 4.0}
    assert [step["tokens_estimated"] for step in NEWS["steps"]] == [{"a": 250}, {"a": 225}, {"a": 100}]


def test_lengths_are_told_before_and_after() -> None:
    before = {"documents": 10, "bytes": 1000, "words": 100, "words_per_document": 10.0, "word_histogram": [1, 2, 3]}
    assert NEWS["before"] == before
    assert NEWS["after"]["words_per_document"] == 10.0
    assert NEWS["after"]["word_histogram"] == [0, 2]


def test_a_language_is_the_sum_of_its_sources_step_by_step() -> None:
    languages = of_languages({"news": NEWS, "books": BOOKS, "other": OTHER})
    assert list(languages) == ["fi", "sv"]
    assert [tuple(step.values())[:4] for step in languages["fi"]["steps"]] == [
        ("reading", 14, 1500, 150),
        ("language", 13, 1300, 130),
        ("filters", 11, 1100, 100),
        ("duplicates", 7, 600, 70),
    ]
    assert languages["fi"]["tokens"] == {"a": {"train": 130, "test": 20}, "b": {"train": 20, "test": 5}}
    assert languages["fi"]["steps"][-1]["tokens_estimated"] == {"a": 150, "b": 25}
    assert languages["fi"]["before"]["word_histogram"] == [2, 4, 6]
    assert languages["sv"]["after"]["documents"] == 1


@pytest.mark.parametrize("sources", [[NEWS, BOOKS, OTHER], [OTHER, BOOKS, NEWS], [NEWS, OTHER, BOOKS]])
def test_steps_come_in_their_order_whichever_source_is_looked_at_first(sources: list[dict[str, Any]]) -> None:
    assert order_of_steps(sources) == ["reading", "language", "filters", "duplicates"]


def test_a_step_that_a_source_does_not_take_leaves_all_of_it() -> None:
    order = order_of_steps([NEWS, BOOKS])
    assert [left["documents"] for left in left_after(NEWS, order)] == [10, 10, 9, 5]
