"""Less memory for more computing: what layers compute on the way forward is computed again on the way back."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from model.modernbert import ModernBert


def recompute_layers(model: ModernBert) -> None:
    """Keep of each layer its input alone until its gradients are computed (arXiv 1604.06174, with a segment a layer).

    The same is computed again from the same input, so that losses and gradients keep their bits. A step then holds the
    activations of one layer and an input for each, and computes a third more.
    """
    for layer in model.model.layers:
        # Not of the class but of the one model, whose layers are called by what is set here.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
