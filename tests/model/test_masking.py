import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.tokens.special import FIRST_ORDINARY, MASK
from model.masking import mask_row

KEY = bytes(range(16))
rows = st.lists(st.integers(0, 499), min_size=1, max_size=200).map(lambda ids: np.array(ids, dtype=np.uint16))


@given(rows, st.integers(0, 2**60), st.floats(0.01, 0.99))
def test_labels_are_what_stood_there_and_everything_else_is_untouched(tokens, row, rate):
    masked = mask_row(tokens, row, KEY, rate, 500)
    assert (tokens[masked.positions] == masked.labels).all()
    others = np.setdiff1d(np.arange(len(tokens)), masked.positions)
    assert (masked.inputs[others] == tokens[others]).all()


@given(rows, st.integers(0, 2**60))
def test_special_tokens_are_never_masked_nor_drawn_as_replacements(tokens, row):
    masked = mask_row(tokens, row, KEY, 0.9, 500)
    assert (masked.labels >= FIRST_ORDINARY).all()
    shown = masked.inputs[masked.positions]
    assert ((shown == MASK) | (shown >= FIRST_ORDINARY)).all()
    assert (shown < 500).all()


def test_shares_are_thirty_percent_and_eighty_ten_ten():
    tokens = np.full(200_000, 77, dtype=np.uint16)
    masked = mask_row(tokens, 3, KEY, 0.3, 50_000)
    shown = masked.inputs[masked.positions]
    assert abs(len(shown) / len(tokens) - 0.3) < 0.005
    assert abs((shown == MASK).mean() - 0.8) < 0.01
    assert abs((shown == 77).mean() - 0.1) < 0.01
    replaced = shown[(shown != MASK) & (shown != 77)]
    assert replaced.min() < 100
    assert replaced.max() > 49_900


def test_the_mask_depends_on_the_row_and_the_key_and_on_nothing_else():
    tokens = np.arange(100, 400, dtype=np.uint16)
    first = mask_row(tokens, 5, KEY, 0.3, 500)
    np.random.default_rng(0).random(10)
    again = mask_row(tokens.astype(np.uint32), 5, KEY, 0.3, 500)
    assert (first.inputs == again.inputs).all()
    assert first.positions.tolist() != mask_row(tokens, 6, KEY, 0.3, 500).positions.tolist()
    assert first.positions.tolist() != mask_row(tokens, 5, KEY[::-1], 0.3, 500).positions.tolist()


def test_the_mask_is_the_same_on_every_machine_and_version():
    masked = mask_row(np.arange(5, 45, dtype=np.uint16), 12, KEY, 0.3, 100)
    assert masked.positions.tolist() == [1, 2, 3, 9, 13, 16, 17, 19, 28, 34, 36, 37, 39]
    assert masked.inputs[masked.positions].tolist() == [0, 0, 0, 0, 0, 16, 43, 0, 0, 0, 41, 0, 0]
