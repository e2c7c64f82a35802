"""How large an encoder is and what a token of its training computes, from its shape alone; needs no torch."""

from __future__ import annotations

from math import ceil

from recipe.schema import ModelShape, Tokenizer


def padded_vocabulary(tokenizer: Tokenizer) -> int:
    """Return the rows of the embeddings for a tokenizer: its vocabulary, rounded up to its multiple."""
    return ceil(tokenizer.vocabulary / tokenizer.multiple) * tokenizer.multiple


def parameters(shape: ModelShape, padded_vocabulary: int) -> int:
    """Return the parameters of an encoder with its head, tied embeddings counted once (`model/modernbert.py`)."""
    hidden = shape.hidden
    layer = 4 * hidden**2 + 3 * hidden * shape.intermediate + 2 * hidden
    embeddings = padded_vocabulary * hidden + hidden
    head = hidden**2 + hidden + padded_vocabulary
    # Layer 0 has no norm before attention, but there is one after the last layer.
    return embeddings + shape.layers * layer + head


def training_flops(shape: ModelShape, padded_vocabulary: int, length: int, masking_rate: float) -> float:
    """Return the floating-point operations of one token, forward and backward.

    Matrix products alone, two operations for each multiplication and addition, and the backward pass twice the forward
    one (Kaplan et al. 2020, arXiv 2001.08361, section 2.1):

        layer:  2 (4 H^2 + 3 H I) + 4 H K       projections and gated MLP; scores and their sums over K keys
        head:   2 (H^2 + H V) x masking rate    masked positions only

    K is `length` in a global layer, else at most the window's keys: half of it to either side, and the token itself.
    Documents are taken to be as long as the row; where they are shorter, global layers do less.
    """
    hidden = shape.hidden
    global_layers = ceil(shape.layers / shape.global_every)
    window = min(length, 2 * (shape.local_attention // 2) + 1)
    keys = global_layers * length + (shape.layers - global_layers) * window
    layers = shape.layers * 2 * (4 * hidden**2 + 3 * hidden * shape.intermediate) + 4 * hidden * keys
    head = 2 * (hidden**2 + hidden * padded_vocabulary) * masking_rate
    return 3.0 * (layers + head)
