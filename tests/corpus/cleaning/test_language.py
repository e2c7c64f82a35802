"""Documents and lines in another language than wanted: which go, which stay, and what short lines follow."""

from functools import cache

import pytest

from corpus.cleaning.identifying import identifier
from corpus.cleaning.language import looked_at, other_documents, stretches, without_other_lines
from corpus.demo.package_text import ISO_639_1, udhr
from recipe.languages import engine_code

ENGINE = identifier("py3langid")


@cache
def passages(language):
    return [record["text"].encode() for record in udhr(language)]


@pytest.mark.parametrize("language", ISO_639_1)
def test_documents_stay_where_their_language_is_wanted_and_go_elsewhere(language):
    own, wanted = passages(language), engine_code("py3langid", language)
    others = [text for other in ISO_639_1 if other != language for text in passages(other)]
    assert other_documents(own, ENGINE, wanted, 0.1) == [None] * len(own)
    reasons = other_documents(others, ENGINE, wanted, 0.1)
    assert {reason and reason[0] for reason in reasons} == {"another language"}


def test_a_document_that_is_less_likely_than_asked_goes_with_the_number():
    (reason,) = other_documents([b"Kaikki ihmiset."], ENGINE, "fi", 1.01)
    assert reason is not None
    assert reason[0] == "language score < 1.01"
    assert 0.5 < float(reason[1]) <= 1


def test_lines_in_another_language_are_taken_out_and_short_ones_go_with_those_around_them():
    fi, en = passages("fi"), passages("en")
    text = b"\n".join([b"OK", b"1.", fi[0], b"2.", fi[1], b"", en[0], b"3.", b"OK", en[1], b"", fi[2], b"4."])
    (left,), (gone,) = without_other_lines([text], ENGINE, "fi")
    assert left.split(b"\n") == [b"OK", b"1.", fi[0], b"2.", fi[1], b"", fi[2], b"4."]
    assert gone == [b"", en[0], b"3.", b"OK", en[1]]


def test_a_document_of_one_language_is_left_as_it_is_or_comes_out_empty():
    fi, en = b"\n".join(passages("fi")), b"\n".join(passages("en"))
    assert without_other_lines([fi, en, b"", b"\n\n1\n"], ENGINE, "fi") == (
        [fi, b"", b"", b"\n\n1\n"],
        [[], en.split(b"\n"), [], []],
    )


@pytest.mark.parametrize(
    ("voices", "stays"),
    [
        ([0.0, 0.0], "++"),
        ([3, -3, 3], "+-+"),
        ([3, -0.4, 3], "+++"),
        ([-3, 0.4, -3], "---"),
        ([-3, 0.0, 0.0], "---"),
        ([3, 0.0, -3], "+--"),
        ([-0.1], "-"),
    ],
)
def test_a_line_goes_with_those_around_it_unless_it_speaks_louder_than_two_cuts_cost(voices, stays):
    assert "".join("-+"[stay] for stay in stretches(voices)) == stays


def test_a_long_document_is_judged_by_its_beginning_and_its_middle_in_whole_characters():
    text = ("ä" * 5001).encode()
    seen = looked_at(text)
    assert len(seen) <= 4097
    assert set(seen.decode()) == {"ä", "\n"}
    assert looked_at(text[:4096]) == text[:4096]
