"""The tasks of the retrieval benchmark: nothing is tested that was trained on, and the answers are right."""

from benchmarks.retrieval import declaration_round, help_round, table_rows

LANGUAGES = ("fi", "sv", "en", "la")
ARTICLES = {one: {f"article-{n}": f"{one} text {n}" for n in range(1, 31)} | {"preamble": "x"} for one in LANGUAGES}


def test_an_article_is_either_trained_on_or_tested_and_answered_by_its_translation() -> None:
    one = declaration_round(ARTICLES)
    trained = {text.split()[-1] for pair in one.pairs for text in pair}
    tested = {query.partition("/")[0].partition("-")[2] for task in one.tests for query in task.queries}
    chosen = {query.partition("/")[0].partition("-")[2] for query in one.dev.queries}
    assert (len(trained), len(chosen), len(tested)) == (12, 3, 15)
    assert not trained & tested
    assert not trained & chosen
    assert not chosen & tested
    assert len(one.pairs) == 12 * 4 * 3
    assert all(first.split()[0] != second.split()[0] for first, second in one.pairs)
    for task in one.tests:
        assert len(task.corpus) == 30
        assert len(task.queries) == 15 * 3
        for query, (answer,) in task.relevant.items():
            assert query.partition("/")[0] == answer.partition("/")[0]
            assert task.queries[query].split()[-1] == task.corpus[answer].split()[-1]


def test_a_page_is_trained_on_in_all_languages_or_in_none_and_equal_titles_are_all_right() -> None:
    titles = {one: {f"p{n}": f"title {n // 2 if n < 4 else n}" for n in range(50)} for one in ("fi", "en")}
    texts = {one: {f"p{n}": f"{one} {n}" for n in range(50)} for one in titles}
    one = help_round(titles, texts, 50)
    trained = {text.split()[1] for _, text in one.pairs}
    tested = {query.partition("/")[0][1:] for task in one.tests for query in task.queries}
    assert not trained & tested
    assert len(one.pairs) == 2 * len(trained)
    assert len(tested) == 10
    for task in one.tests:
        assert len(task.corpus) == 50
        assert all(query in answers for query, answers in task.relevant.items())
        assert all(len(task.relevant[query]) == 2 for query in task.queries if int(query.partition("/")[0][1:]) < 4)


def test_queries_of_one_case_count_once_in_the_interval() -> None:
    result = {
        "system": "BM25",
        "scores": {"a/fi": 1.0, "a/sv": 0.0, "b/fi": 0.5},
        "chance": 0.1,
        "queries": 3,
        "how": {},
    }
    ((name, value, interval, chance, queries, rate),) = table_rows("t", [result])
    assert (name, value, interval) == ("t, BM25", "0.500", "0.500 to 0.500")
    assert (chance, queries, rate) == ("0.1000", "3 of 2", "-")
