"""The weights of a larger encoder out of a smaller one's: ModernBERT's centre tiling (arXiv 2412.13663, section 2.2).

Along each axis the smaller tensor lies in the middle of the larger one and goes on around it, from its end to its
beginning (after Phi): element j is that at (j - o) mod n, where n is the smaller size and o half of the difference,
rounded down. Parts that are stored as one tensor are tiled each for itself: queries, keys and values, along heads that
stay whole; the two halves of a gated MLP. Layer i of N is made from layer round(i n / N) of n (Gopher, arXiv
2112.11446, appendix G.3.3), as in ModernBERT's code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recipe.schema import ModelShape

EMBEDDINGS, BIAS = "model.embeddings.tok_embeddings.weight", "decoder.bias"


def around(small: int, large: int) -> Tensor:
    """Return which element of an axis of `small` each of an axis of `large` is: int64[large]."""
    return (torch.arange(large) - (large - small) // 2) % small


def layer_of(layer: int, small: int, large: int) -> int:
    """Return which of `small` layers a layer of `large` is made from."""
    return min(round(layer * small / large), small - 1)


def tile(weights: Mapping[str, Tensor], small: ModelShape, large: ModelShape) -> dict[str, Tensor]:
    """Return the weights of an encoder of shape `large`; rows of the embedding stay as many as they are.

    Args:
        weights: of one of shape `small`, by the names of its state dict.
        small: shape, with heads of as many dimensions as those of `large`.
        large: shape, nowhere smaller.
    """
    hidden = around(small.hidden, large.hidden)
    tiled = {
        EMBEDDINGS: weights[EMBEDDINGS][:, hidden],
        BIAS: weights[BIAS],
        "head.dense.weight": weights["head.dense.weight"][hidden][:, hidden],
    }
    for name in ("model.embeddings.norm.weight", "model.final_norm.weight", "head.norm.weight"):
        tiled[name] = weights[name][hidden]
    for layer in range(large.layers):
        origin = f"model.layers.{layer_of(layer, small.layers, large.layers)}."
        found = {name.removeprefix(origin): tensor for name, tensor in weights.items() if name.startswith(origin)}
        tiled |= {f"model.layers.{layer}.{name}": part for name, part in _layer(found, small, large, layer).items()}
    return {name: tensor.contiguous() for name, tensor in tiled.items()}


def _layer(found: Mapping[str, Tensor], small: ModelShape, large: ModelShape, layer: int) -> dict[str, Tensor]:
    """Tile one layer; names are without the layer's."""
    hidden = around(small.hidden, large.hidden)
    inner = around(small.intermediate, large.intermediate)
    dimensions = torch.arange(small.hidden // small.heads)
    heads = (around(small.heads, large.heads)[:, None] * len(dimensions) + dimensions).flatten()
    tiled = {
        "attn.Wqkv.weight": _parts(found["attn.Wqkv.weight"], 3, heads)[:, hidden],
        "attn.Wo.weight": found["attn.Wo.weight"][hidden][:, heads],
        "mlp_norm.weight": found["mlp_norm.weight"][hidden],
        "mlp.Wi.weight": _parts(found["mlp.Wi.weight"], 2, inner)[:, hidden],
        "mlp.Wo.weight": found["mlp.Wo.weight"][hidden][:, inner],
    }
    if layer:  # the first layer has no norm, so what is made from it again begins with one that only normalizes
        tiled["attn_norm.weight"] = found.get("attn_norm.weight", torch.ones(small.hidden))[hidden]
    return tiled


def _parts(fused: Tensor, parts: int, rows: Tensor) -> Tensor:
    """Select rows of each of `parts` matrices that lie one below the other."""
    return fused.view(parts, -1, fused.shape[1])[:, rows].flatten(0, 1)
