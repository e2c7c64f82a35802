"""Tiling, by hand: the smaller tensor in the middle, and around it what comes before and after it in a circle."""

import pytest
import torch

from model.modernbert import ModernBert, Shape
from model.starts.tiling import BIAS, EMBEDDINGS, around, layer_of, tile
from recipe.schema import ModelShape

SMALL = ModelShape(layers=2, hidden=4, heads=2, intermediate=3)
LARGE = ModelShape(layers=4, hidden=8, heads=4, intermediate=6)


def random_weights(shape: ModelShape) -> dict[str, torch.Tensor]:
    model = ModernBert(Shape(padded_vocabulary=10, global_rope_theta=1e4, **dict(shape)), seed=1)
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn(part.shape, generator=generator) for name, part in model.state_dict().items()}


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        (3, 3, [0, 1, 2]),
        (3, 4, [0, 1, 2, 0]),
        (3, 5, [2, 0, 1, 2, 0]),
        (3, 7, [1, 2, 0, 1, 2, 0, 1]),
        (2, 8, [1, 0, 1, 0, 1, 0, 1, 0]),
        (1, 3, [0, 0, 0]),
    ],
)
def test_an_axis_goes_on_around_its_middle(small, large, expected):
    assert around(small, large).tolist() == expected


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [(4, 4, [0, 1, 2, 3]), (2, 3, [0, 1, 1]), (2, 4, [0, 0, 1, 1]), (2, 8, [0, 0, 0, 1, 1, 1, 1, 1])],
)
def test_layers_are_spread(small, large, expected):
    assert [layer_of(layer, small, large) for layer in range(large)] == expected


def test_modernbert_large_takes_its_layers_from_base_as_its_authors_did():
    assert [layer_of(layer, 22, 28) for layer in range(28)] == [round(layer * 22 / 28) for layer in range(28)]


def test_the_same_shape_changes_nothing():
    weights = random_weights(SMALL)
    torch.testing.assert_close(tile(weights, SMALL, SMALL), weights, atol=0, rtol=0)


def test_what_is_tiled_has_the_names_and_shapes_of_the_larger_encoder():
    tiled = tile(random_weights(SMALL), SMALL, LARGE)
    assert {name: part.shape for name, part in tiled.items()} == {
        name: part.shape for name, part in random_weights(LARGE).items()
    }


def test_the_embedding_keeps_its_rows_and_its_columns_go_around():
    weights = random_weights(SMALL)
    tiled = tile(weights, SMALL, LARGE)
    assert torch.equal(tiled[EMBEDDINGS][:, 2:6], weights[EMBEDDINGS])
    assert torch.equal(tiled[EMBEDDINGS][:, :2], weights[EMBEDDINGS][:, 2:])
    assert torch.equal(tiled[EMBEDDINGS][:, 6:], weights[EMBEDDINGS][:, :2])
    assert torch.equal(tiled[BIAS], weights[BIAS])


def test_a_matrix_has_the_smaller_one_in_its_middle_and_goes_around_both_ways():
    weights = random_weights(SMALL)
    dense, tiled = weights["head.dense.weight"], tile(weights, SMALL, LARGE)["head.dense.weight"]
    assert torch.equal(tiled[2:6, 2:6], dense)
    assert tiled[0, 0] == dense[2, 2]
    assert tiled[1, 7] == dense[3, 1]
    assert tiled[7, 3] == dense[1, 1]


def test_queries_keys_and_values_are_tiled_apart_by_whole_heads():
    weights = random_weights(SMALL)
    small = weights["model.layers.0.attn.Wqkv.weight"].view(3, 2, 2, 4)  # part, head, its dimension, hidden
    large = tile(weights, SMALL, LARGE)["model.layers.0.attn.Wqkv.weight"].view(3, 4, 2, 8)
    for part in range(3):
        for head, origin in enumerate([1, 0, 1, 0]):
            assert torch.equal(large[part, head, :, 2:6], small[part, origin])
    out = weights["model.layers.0.attn.Wo.weight"].view(4, 2, 2)
    tiled = tile(weights, SMALL, LARGE)["model.layers.0.attn.Wo.weight"].view(8, 4, 2)
    for head, origin in enumerate([1, 0, 1, 0]):
        assert torch.equal(tiled[2:6, head], out[:, origin])


def test_the_halves_of_a_gated_mlp_are_tiled_apart():
    weights = random_weights(SMALL)
    small = weights["model.layers.1.mlp.Wi.weight"].view(2, 3, 4)
    large = tile(weights, SMALL, LARGE)["model.layers.3.mlp.Wi.weight"].view(2, 6, 8)
    for half in range(2):
        assert torch.equal(large[half][:, 2:6], small[half][[2, 0, 1, 2, 0, 1]])
    down, tiled = weights["model.layers.1.mlp.Wo.weight"], tile(weights, SMALL, LARGE)["model.layers.3.mlp.Wo.weight"]
    assert torch.equal(tiled[2:6], down[:, [2, 0, 1, 2, 0, 1]])


def test_a_layer_that_is_made_from_the_first_once_more_has_a_norm_that_only_normalizes():
    weights = random_weights(SMALL)
    tiled = tile(weights, SMALL, LARGE)
    assert "model.layers.0.attn_norm.weight" not in tiled
    assert torch.equal(tiled["model.layers.1.attn_norm.weight"], torch.ones(8))
    assert torch.equal(tiled["model.layers.2.attn_norm.weight"][2:6], weights["model.layers.1.attn_norm.weight"])
