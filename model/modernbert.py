"""ModernBERT (arXiv 2412.13663) in plain torch, on flat packed rows.

The way of a batch: `N` token ids of all pieces one after another -> embeddings and their norm -> layers of attention
inside each piece and a gated MLP, each after its own norm and added to the residual stream -> final norm -> the
prediction head, only at the positions asked for -> logits over the padded vocabulary through the tied embeddings.

Layer i attends to the whole piece where `i % global_every == 0`, else to a window, with a RoPE theta for each kind.
Parameters are named as in the state dict of `transformers.ModernBertForMaskedLM`, so weights go to and fro unchanged.
States of the module: its parameters; `shape`, whose global RoPE theta may be changed between stages of training; and
`attention`, the backend that attends, which may be exchanged before a batch is laid out. The methods `project` and
`finish` of its layers, and `cross_entropy`, may be exchanged for what they are compiled to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import model_validator
from torch import Tensor, nn

from model.attention.interface import AnyBackend, Plan
from model.attention.layout import Layout, lay_out
from model.attention.slabs import Slabs
from model.loss import Entropy, Losses, cross_entropy, masked_loss
from recipe.schema import ModelShape

INITIALIZER_STD = 0.02
INITIALIZER_CUTOFF = 2.0
"""Weights are drawn from a normal distribution cut off at so many standard deviations."""


class Shape(ModelShape):
    """Shape of an encoder, whole."""

    padded_vocabulary: int
    """Rows of the embedding: the tokenizer's entries, rounded up."""
    global_rope_theta: float

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> Self:
        """Raise `ValueError` where heads do not divide hidden into even parts."""
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of twice the heads (2 x {self.heads})")
        return self

    def is_global(self, layer: int) -> bool:
        """Whether layer `layer` (from 0) attends to the whole piece."""
        return layer % self.global_every == 0


class Surroundings(NamedTuple):
    """What the layers of one kind need besides the residual stream."""

    attention: AnyBackend
    plan: Plan
    cos: Tensor
    """float32[N, 1, D / 2] of each token's angles, D the head dimension."""
    sin: Tensor


class ModernBert(nn.Module):
    """ModernBERT with its masked-language-modelling head."""

    def __init__(self, shape: Shape, seed: int | None) -> None:
        """Make the encoder in float32 on the CPU.

        Args:
            shape: its shape.
            seed: initial weights are a function of this and the shape alone, whatever the global random state and the
                number of threads; None leaves them unset, for weights that are loaded next.
        """
        super().__init__()
        self.shape = shape
        self.attention: AnyBackend = Slabs()
        self.cross_entropy: Entropy = cross_entropy
        with torch.device("meta"):  # torch's own initialization would cost time and draw from the global generator
            self.model = Encoder(shape)
            self.head = PredictionHead(shape)
            self.decoder = Decoder(shape.padded_vocabulary)
        self.to_empty(device="cpu")
        if seed is not None:
            self._initialize(seed)

    def set_global_rope_theta(self, theta: float) -> None:
        """Change the RoPE theta of the global layers; no parameter changes."""
        self.shape = self.shape.model_copy(update={"global_rope_theta": theta})

    def lay_out(self, cu_seqlens: Sequence[int] | NDArray[np.integer] | Tensor) -> Layout:
        """Return, on the CPU, what the encoder must know of a batch's pieces; `layout.moved` brings it to a device.

        Args:
            cu_seqlens: P + 1 boundaries of the pieces on the host, the first 0.

        Raises:
            ValueError: if they do not rise from 0.
        """
        return lay_out(cu_seqlens, self.shape.local_attention, self.attention)

    def forward(self, tokens: Tensor, layout: Layout, masked: Tensor | None = None) -> Tensor:
        """Return the logits of a packed batch.

        Args:
            tokens: int64[N], all pieces one after another, on the module's device.
            layout: of the pieces, made by `lay_out` and moved to the module's device.
            masked: int64[M], positions in `tokens` to predict, on the module's device; None predicts all.

        Returns:
            float[M, padded_vocabulary].

        Raises:
            ValueError: if the layout is not one of N tokens.
        """
        hidden = self._represent(tokens, layout, masked)
        logits: Tensor = self.decoder(hidden, self.model.embeddings.tok_embeddings.weight)
        return logits

    def losses(self, tokens: Tensor, layout: Layout, masked: Tensor, labels: Tensor, factor: Tensor) -> Losses:
        """Return what the masked positions of a packed batch cost, without their logits.

        Args:
            tokens: as in `forward`.
            layout: as in `forward`.
            masked: int64[M].
            labels: int64[M], what stands at the masked positions.
            factor: float32[], of the sum of the losses.
        """
        hidden = self._represent(tokens, layout, masked)
        weight, bias = self.model.embeddings.tok_embeddings.weight, self.decoder.bias
        return masked_loss(hidden, weight, bias, labels, factor, self.cross_entropy)

    def encode(self, tokens: Tensor, layout: Layout) -> Tensor:
        """Return what the layers make of the tokens of a packed batch, without the head: float[N, hidden].

        Args:
            tokens: as in `forward`.
            layout: as in `forward`.
        """
        if len(layout.positions) != len(tokens):
            raise ValueError(f"cu_seqlens ends at {len(layout.positions)}, but there are {len(tokens)} tokens")
        hidden: Tensor = self.model(tokens, self._surroundings(layout))
        return hidden

    def _represent(self, tokens: Tensor, layout: Layout, masked: Tensor | None) -> Tensor:
        """Return what the decoder turns into logits, float[M, hidden]."""
        hidden = self.encode(tokens, layout)
        if masked is not None:
            hidden = hidden.index_select(0, masked)
        represented: Tensor = self.head(hidden)
        return represented

    def _surroundings(self, layout: Layout) -> dict[bool, Surroundings]:
        """Attention plans and rotations of a batch, by whether the layer is global."""
        shape, dimension = self.shape, self.shape.hidden // self.shape.heads
        kinds = {True: (layout.whole, shape.global_rope_theta), False: (layout.windowed, shape.local_rope_theta)}
        return {
            is_global: Surroundings(self.attention, plan, *rotations(layout.positions, dimension, theta))
            for is_global, (plan, theta) in kinds.items()
        }

    @torch.no_grad()
    def _initialize(self, seed: int) -> None:
        """Initialize as transformers' `ModernBertPreTrainedModel._init_weights` does.

        Matrices that write to the residual stream, and the head's, have a standard deviation smaller by sqrt(2 layers).
        """
        generator = torch.Generator().manual_seed(seed)
        narrow = INITIALIZER_STD / math.sqrt(2.0 * self.shape.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                std = narrow if name.endswith(("Wo.weight", "head.dense.weight")) else INITIALIZER_STD
                cutoff = INITIALIZER_CUTOFF * std
                nn.init.trunc_normal_(parameter, 0.0, std, -cutoff, cutoff, generator=generator)


class Encoder(nn.Module):
    """Embeddings, layers and the final norm."""

    def __init__(self, shape: Shape) -> None:
        """Declare the parameters."""
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.layers = nn.ModuleList(Layer(shape, i) for i in range(shape.layers))
        self.final_norm = norm(shape)

    def forward(self, tokens: Tensor, surroundings: dict[bool, Surroundings]) -> Tensor:
        """Token ids int64[N] to their representations float[N, hidden]."""
        hidden = self.embeddings(tokens)
        for i, layer in enumerate(self.layers):
            hidden = layer(hidden, surroundings[self.shape.is_global(i)])
        normed: Tensor = self.final_norm(hidden)
        return normed


class Embeddings(nn.Module):
    """Token embeddings and their norm; positions enter through RoPE only."""

    def __init__(self, shape: Shape) -> None:
        """Declare the parameters."""
        super().__init__()
        self.tok_embeddings = nn.Embedding(shape.padded_vocabulary, shape.hidden)
        self.norm = norm(shape)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64[N] to float[N, hidden]."""
        embedded: Tensor = self.norm(self.tok_embeddings(tokens))
        return embedded


class Layer(nn.Module):
    """Attention and MLP, each before its norm; layer 0 has none before attention, its input being normed already."""

    def __init__(self, shape: Shape, index: int) -> None:
        """Declare the parameters."""
        super().__init__()
        self.attn_norm = nn.Identity() if index == 0 else norm(shape)
        self.attn = Attention(shape)
        self.mlp_norm = norm(shape)
        self.mlp = GatedMLP(shape)

    def forward(self, hidden: Tensor, surroundings: Surroundings) -> Tensor:
        """float[N, hidden] to the same shape."""
        attention, plan, cos, sin = surroundings
        q, k, v = self.project(hidden, cos, sin)
        return self.finish(hidden, attention.attend(q, k, v, plan))

    def project(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float[N, hidden] to rotated queries and keys, and values, float[N, heads, D] each.

        This and `finish` are what may be compiled: all of a layer but attention, in shapes that depend on N alone.
        """
        return self.attn.project(self.attn_norm(hidden), cos, sin)

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """Add to the residual stream, float[N, hidden], what was attended, float[N, heads, D], and the MLP."""
        hidden = hidden + self.attn.Wo(attended.flatten(1))
        added: Tensor = hidden + self.mlp(self.mlp_norm(hidden))
        return added


class Attention(nn.Module):
    """What lies before and behind multi-head self-attention with rotary position embeddings."""

    def __init__(self, shape: Shape) -> None:
        """Declare the parameters."""
        super().__init__()
        self.heads = shape.heads
        self.Wqkv = nn.Linear(shape.hidden, 3 * shape.hidden, bias=False)
        self.Wo = nn.Linear(shape.hidden, shape.hidden, bias=False)

    def project(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float[N, hidden] to rotated queries and keys, and values, float[N, heads, D] each."""
        q, k, v = self.Wqkv(hidden).view(len(hidden), 3, self.heads, -1).unbind(1)
        return rotate(q, cos, sin), rotate(k, cos, sin), v


class GatedMLP(nn.Module):
    """GeGLU (arXiv 2002.05202, eq. 6): GELU of one half of the projection, times the other half."""

    def __init__(self, shape: Shape) -> None:
        """Declare the parameters."""
        super().__init__()
        self.Wi = nn.Linear(shape.hidden, 2 * shape.intermediate, bias=False)
        self.Wo = nn.Linear(shape.intermediate, shape.hidden, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """float[N, hidden] to the same shape."""
        activated, gate = self.Wi(hidden).chunk(2, dim=-1)
        projected: Tensor = self.Wo(F.gelu(activated) * gate)
        return projected


class PredictionHead(nn.Module):
    """What lies between the encoder and the tied decoder."""

    def __init__(self, shape: Shape) -> None:
        """Declare the parameters."""
        super().__init__()
        self.dense = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.norm = norm(shape)

    def forward(self, hidden: Tensor) -> Tensor:
        """float[M, hidden] to the same shape."""
        normed: Tensor = self.norm(F.gelu(self.dense(hidden)))
        return normed


class Decoder(nn.Module):
    """To logits through the token embeddings; only the bias is its own."""

    def __init__(self, padded_vocabulary: int) -> None:
        """Declare the parameters."""
        super().__init__()
        self.bias = nn.Parameter(torch.empty(padded_vocabulary))

    def forward(self, hidden: Tensor, embeddings: Tensor) -> Tensor:
        """float[M, hidden] and float[padded_vocabulary, hidden] to float[M, padded_vocabulary]."""
        return F.linear(hidden, embeddings, self.bias)


def norm(shape: Shape) -> nn.LayerNorm:
    """Return a LayerNorm without bias."""
    return nn.LayerNorm(shape.hidden, eps=shape.norm_eps, bias=False)


def rotations(positions: Tensor, head_dimension: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of RoPE's angles, position x theta^(-2i / D) (arXiv 2104.09864, section 3.2.2).

    Args:
        positions: int[N], each token's position in its piece.
        head_dimension: D, even.
        theta: base of the frequencies.

    Returns:
        Two float32[N, 1, D / 2], whatever autocast says: in bfloat16 distant positions would coincide.
    """
    exponents = torch.arange(0, head_dimension, 2, dtype=torch.float32, device=positions.device) / head_dimension
    angles = positions[:, None, None].float() * (1.0 / theta**exponents)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate float[N, H, D] in float32, dimension i together with i + D / 2; the result has the dtype of `x`."""
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)
