"""Weights of a directory as those of an encoder here: fp32, its names, and an embedding for another vocabulary."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from common.errors import UserError
from model.modernbert import ModernBert, Shape
from model.starts.origin import Origin
from model.starts.tiling import BIAS, EMBEDDINGS
from model.starts.vocabulary import Rows

TIED = "decoder.weight"
"""May be stored though it is the embedding."""


def load_weights(origin: Origin) -> dict[str, Tensor]:
    """Return the weights of a model in a directory, float32 by the names of the encoder's state dict.

    Raises:
        UserError: a file is damaged, or the tensors are not those of such an encoder.
    """
    found: dict[str, Tensor] = {}
    for path in origin.weights:
        try:
            found |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is damaged ({error}); copy it again.") from None
    if found.pop(TIED, None) is not None and EMBEDDINGS not in found:
        raise UserError(f"{origin.directory} has no {EMBEDDINGS}, only {TIED}; save it anew with transformers.")
    # Without a bias every token begins as likely as the others, which a bias of zero says too.
    found.setdefault(BIAS, torch.zeros(origin.vocabulary))
    shape = Shape(padded_vocabulary=origin.vocabulary, global_rope_theta=origin.global_rope_theta, **dict(origin.shape))
    expected = {name: tensor.shape for name, tensor in ModernBert(shape, None).state_dict().items()}
    _refuse_others(origin, found, expected)
    return {name: found[name].float() for name in expected}


def _refuse_others(origin: Origin, found: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> None:
    """Raise `UserError` where tensors are not those of an encoder with its head."""
    if "embeddings.tok_embeddings.weight" in found or not any(name.startswith("head.") for name in found):
        raise UserError(
            f"{origin.directory} holds an encoder without its head for masked tokens; give one that was saved as "
            "ModernBertForMaskedLM."
        )
    if absent := sorted(expected.keys() - found.keys()):
        raise UserError(f"{origin.directory} has no weights {absent[0]}; copy the whole directory again.")
    if more := sorted(found.keys() - expected.keys()):
        raise UserError(
            f"{origin.directory} holds {more[0]}, which the encoder here has not, so it cannot be continued."
        )
    if odd := [name for name in expected if found[name].shape != expected[name]]:
        raise UserError(
            f"{origin.directory}: {odd[0]} is of shape {list(found[odd[0]].shape)}, not {list(expected[odd[0]])} as "
            "config.json says; copy the whole directory again."
        )


def for_vocabulary(weights: Mapping[str, Tensor], rows: Rows, vocabulary: int) -> dict[str, Tensor]:
    """Return weights with the embedding and the decoder's bias of another vocabulary.

    A token that nothing is known of gets the mean of all that were kept. A row beyond the vocabulary gets it too, with
    the lowest bias there is: it must not take probability from tokens.

    Args:
        weights: float32, by name; the embedding is float[theirs, hidden], the bias float[theirs].
        rows: what each row is made of.
        vocabulary: rows that are tokens'.
    """
    lengths = torch.tensor([len(origin) for origin in rows.origins])
    numbers = torch.tensor([number for origin in rows.origins for number in origin], dtype=torch.int64)
    bags = (numbers, lengths.cumsum(0) - lengths)
    # The mean of each bag of rows; of one row it is that row, bit for bit.
    embedding = _means(weights[EMBEDDINGS], *bags)
    bias = _means(weights[BIAS][:, None], *bags)[:, 0]
    known, unknown = lengths > 0, lengths == 0
    embedding[unknown] = embedding[known].mean(0)
    bias[unknown] = bias[known].mean()
    bias[vocabulary:][unknown[vocabulary:]] = bias[known].min()
    return {**weights, EMBEDDINGS: embedding, BIAS: bias}


def _means(table: Tensor, numbers: Tensor, offsets: Tensor) -> Tensor:
    """Return the means of bags of rows of float[n, k]: float[bags, k], zero for an empty bag."""
    return F.embedding_bag(numbers, table.contiguous(), offsets, mode="mean")
