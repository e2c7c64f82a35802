"""Sources go on where they stand, at any row length and in any range of words."""

from hypothesis import given
from hypothesis import strategies as st

from corpus.rows.heads import first_occurrence, head_name


def part(rowset):
    return "fi", rowset


def test_lengths_share_a_head_and_ranges_of_words_have_their_own():
    assert head_name(*part("1024")) == head_name(*part("8192")) == "fi"
    assert head_name(*part("8192-words-1000-")) == head_name(*part("2048-words-1000-")) == "fi/words-1000-"


def test_a_source_that_was_never_read_begins_at_its_first_row():
    assert first_occurrence({}, *part("1024"), 77) == 0


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_the_same_rows_go_on_exactly_where_they_were_left(drawn, rows):
    assert first_occurrence({"fi": [drawn, rows]}, *part("1024"), rows) == drawn


def test_another_length_goes_on_at_the_same_share_of_an_epoch():
    assert first_occurrence({"fi": [1500, 1000]}, *part("8192"), 125) == 188


def test_a_range_of_words_begins_where_its_source_stands_and_then_has_its_own_way():
    heads = {"fi": [500, 1000], "sv": [1, 2]}
    assert first_occurrence(heads, *part("8192-words-1000-"), 40) == 20
    heads["fi/words-1000-"] = [30, 40]
    assert first_occurrence(heads, *part("8192-words-1000-"), 40) == 30
    assert first_occurrence(heads, *part("8192"), 125) == 63
