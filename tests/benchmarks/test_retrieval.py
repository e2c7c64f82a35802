"""The tasks of the retrieval benchmark: nothing is tested that was trained on, and the answers are right."""

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from benchmarks.retrieval import (
    TESTED,
    Task,
    declaration_round,
    help_round,
    in_tokens,
    own_paragraphs,
    sharing_no_token,
    table_rows,
)

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


def test_a_page_is_tested_in_all_languages_or_in_none_and_shares_no_word_with_its_title() -> None:
    numbers = range(3 * TESTED)
    titles = {one: {f"p{n}": f"shared {one}title{max(n, 5)}" for n in numbers} for one in ("fi", "sv", "en")}
    titles = {one: own | {"untranslated": "same"} for one, own in titles.items()}
    texts = {one: {f"p{n}": f"untranslated {n}\n{one}page {n} Shared" for n in numbers} for one in titles}
    texts = {one: own | {"untranslated": f"{one} words", "empty": "all"} for one, own in texts.items()}
    one = help_round(titles, texts)
    trained = {text.split()[1] for _, text in one.pairs}
    tested = {query.partition("/")[0][1:] for task in one.tests for query in task.queries}
    chosen = {query.partition("/")[0][1:] for query in one.dev.queries}
    assert not trained & (tested | chosen)
    assert not tested & chosen
    assert (len(trained), len(tested), len(chosen)) == (TESTED, TESTED, TESTED)
    assert {str(n) for n in range(6)} <= trained, "titles of several pages are not tested"
    assert len(one.pairs) == 4 * TESTED, "Finnish and Swedish titles, each in two other languages"
    assert {(title[:2], page[:2]) for title, page in one.pairs} == {
        ("fi", "sv"),
        ("fi", "en"),
        ("sv", "fi"),
        ("sv", "en"),
    }
    for task in one.tests:
        words = {word.casefold() for page in task.corpus.values() for word in page.split()}
        assert "untranslated" not in words
        assert all(not words & set(title.split()) for title in task.queries.values())
        assert all(query.partition("/")[0] == task.relevant[query][0].partition("/")[0] for query in task.queries)


def test_only_paragraphs_of_one_language_are_left() -> None:
    texts = {"fi": {"a": "yksi\none", "b": "one"}, "en": {"a": "one\ntwo", "b": "one"}}
    assert own_paragraphs(texts) == {"fi": {"a": "yksi"}, "en": {"a": "two"}}


def test_texts_are_spelt_in_tokens_without_the_special_ones() -> None:
    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1, "[CLS]": 2, "[SEP]": 3}, unk_token="a"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made = in_tokens(Task("t", {"1/en": "a b b b"}, {"1/fi": "b"}, {"1/fi": ["1/en"]}), tokenizer, 4)
    assert made == Task("t", {"1/en": "token0 token1"}, {"1/fi": "token1"}, {"1/fi": ["1/en"]})


def test_queries_with_a_token_of_an_answer_are_told_apart() -> None:
    queries = {"1/fi": "token1 token2", "2/fi": "token3", "3/fi": "token1"}
    task = Task(
        "t", {"1/en": "token2", "2/en": "token13"}, queries, {"1/fi": ["1/en"], "2/fi": ["2/en"], "3/fi": ["2/en"]}
    )
    assert sharing_no_token(task) == {"2/fi", "3/fi"}


def test_queries_of_one_case_count_once_in_the_interval() -> None:
    result = {
        "system": "BM25",
        "scores": {"a/fi": 1.0, "a/sv": 0.0, "b/fi": 0.5},
        "chance": 0.1,
        "how": {},
    }
    ((name, value, interval, chance, queries, rate),) = table_rows("t", [result])
    assert (name, value, interval) == ("t, BM25", "0.500", "0.500 to 0.500")
    assert (chance, queries, rate) == ("0.1000", "3 of 2", "-")
