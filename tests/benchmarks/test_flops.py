"""Operations of a step, against a table made by hand and against counting pair by pair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.flops import attention_pairs, peak_flops, step_flops
from model.modernbert import Shape

SHAPES = {"tiny": (6, 768, 12, 1152), "base": (22, 768, 12, 1152), "large": (28, 1024, 16, 2624)}


@pytest.mark.parametrize(
    ("name", "vocabulary", "length", "gigaflops"),
    [
        ("tiny", 27_264, 1024, 0.243),
        ("base", 42_240, 1024, 0.813),
        ("large", 55_616, 1024, 2.318),
        ("large", 128_000, 1024, 2.451),
        ("tiny", 27_264, 8192, 0.375),
        ("base", 42_240, 8192, 1.342),
        ("large", 55_616, 8192, 3.198),
        ("large", 128_000, 8192, 3.332),
    ],
)
def test_a_token_of_a_full_row_takes_what_the_table_says(name, vocabulary, length, gigaflops):
    layers, hidden, heads, intermediate = SHAPES[name]
    shape = Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        intermediate=intermediate,
        padded_vocabulary=vocabulary,
        global_rope_theta=10_000.0,
    )
    masked = round(0.3 * length)
    assert step_flops(shape, [length], masked) / length / 1e9 == pytest.approx(gigaflops, rel=0.004)


@given(st.lists(st.integers(1, 40), max_size=4), st.one_of(st.none(), st.integers(1, 50)))
def test_pairs_are_those_that_see_each_other(lengths, window):
    reach = max(lengths, default=0) if window is None else window // 2
    expected = sum(abs(q - k) <= reach for length in lengths for q in range(length) for k in range(length))
    assert attention_pairs(lengths, window) == expected


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("AMD Instinct MI250X", 191.5e12),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H100 NVL", None),
        ("NVIDIA GH200 480GB", None),
        ("cpu", None),
    ],
)
def test_a_device_is_known_by_its_name_or_not_at_all(name, peak):
    assert peak_flops(name) == peak
