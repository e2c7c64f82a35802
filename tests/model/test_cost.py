"""Parameters and operations by shape, against the model itself and the published shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.cost import parameters, training_flops
from model.modernbert import ModernBert, Shape
from recipe.reading import read_recipe
from recipe.schema import ModelShape
from recipe.slices.making import phase_slice

FINNISH = read_recipe(Path(__file__).parents[2] / "config" / "finnish.yaml")


def shape(model: str) -> ModelShape:
    return phase_slice(FINNISH, model, FINNISH.runs[model].phases[0]).model


@pytest.mark.parametrize(
    ("model", "padded_vocabulary", "at_1024", "at_8192"),
    [
        ("tiny", 27_264, 0.243, 0.375),
        ("base", 42_240, 0.813, 1.342),
        ("large", 55_616, 2.318, 3.198),
        ("large", 128_000, 2.451, 3.332),
    ],
)
def test_operations_of_a_token_are_those_of_the_published_shapes(
    model: str, padded_vocabulary: int, at_1024: float, at_8192: float
) -> None:
    for length, expected in ((1024, at_1024), (8192, at_8192)):
        assert training_flops(shape(model), padded_vocabulary, length, 0.3) / 1e9 == pytest.approx(expected, abs=0.0006)


def test_rows_shorter_than_the_window_cost_what_global_attention_does() -> None:
    everywhere = shape("tiny").model_copy(update={"global_every": 1})
    assert training_flops(shape("tiny"), 27_264, 129, 0.3) == training_flops(everywhere, 27_264, 129, 0.3)
    assert training_flops(shape("tiny"), 27_264, 130, 0.3) < training_flops(everywhere, 27_264, 130, 0.3)


@pytest.mark.parametrize("layers", [1, 4])
def test_parameters_are_counted_as_the_model_has_them(layers: int) -> None:
    small = shape("tiny").model_copy(update={"layers": layers, "hidden": 16, "heads": 2, "intermediate": 24})
    fields = {**small.model_dump(), "padded_vocabulary": 320, "global_rope_theta": 1e4}
    built = ModernBert(Shape(**fields), seed=None)
    assert parameters(small, 320) == sum(parameter.numel() for parameter in built.parameters())
