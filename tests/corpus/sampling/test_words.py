"""Words are counted in bytes, and are those of `str.split`."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.sampling.words import count_words

SPACES = [chr(point) for point in range(2**16) if chr(point).isspace()]
characters = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(SPACES),
    st.sampled_from("a \u2027\u202e\u2010\u00a1\u1681\u3001\x08\x0e\x1b"),
)
texts = st.lists(st.text(characters, max_size=40), max_size=8)


@given(texts)
@example([])
@example(["", "a", "", "", " b ", ""])
def test_words_are_those_of_split(texts):
    assert count_words([text.encode() for text in texts]).tolist() == [len(text.split()) for text in texts]


@given(texts.map(lambda texts: [text * 3 for text in texts]), st.integers(1, 60))
@example(["a\u3000b c"], 2)
def test_words_are_the_same_whatever_the_piece(texts, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("corpus.sampling.words.PIECE_BYTES", piece)
        assert count_words([text.encode() for text in texts]).tolist() == [len(text.split()) for text in texts]


def test_every_white_space_of_unicode_parts_words():
    assert all(count_words([f"a{space}b".encode()]).tolist() == [2] for space in SPACES)
