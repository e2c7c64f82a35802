"""ModernBertForMaskedLM of transformers, with the weights of ours, on rows that are packed or padded.

Tensors and masks of a batch are made beforehand; logits are computed at masked positions only (`sparse_prediction`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ModernBertConfig, ModernBertForMaskedLM

from benchmarks.batches import Batch
from corpus.tokens.special import PAD
from model.export import transformers_config
from model.modernbert import ModernBert

IGNORED = -100
Loss = Callable[[], Tensor]
"""The mean loss of the masked positions of a batch, with its graph."""


def with_weights_of(model: ModernBert, device: torch.device) -> nn.Module:
    """Return transformers' encoder with the weights of ours."""
    # A config is one for rows of some length; nothing here depends on it.
    content = {**transformers_config(model.shape, length=8192), "sparse_prediction": True}
    encoder: nn.Module = ModernBertForMaskedLM(ModernBertConfig.from_dict(content))
    encoder.load_state_dict(model.state_dict(), strict=False)  # the tied decoder.weight is not in ours
    return encoder.to(device).train()


def packed(encoder: nn.Module, batch: Batch, length: int, reach: int, device: torch.device) -> Loss:
    """Return the loss on packed rows: a boolean mask for each kind of layer; padding is a piece of its own."""
    pieces, positions = [], []
    for row in batch.rows:
        lengths = torch.tensor([*row.lengths, length - sum(row.lengths)])
        pieces.append(torch.repeat_interleave(torch.arange(len(lengths)), lengths))
        positions.append(torch.cat([torch.arange(int(size)) for size in lengths]))
    piece, position = torch.stack(pieces).to(device), torch.stack(positions).to(device)
    whole = (piece[:, :, None] == piece[:, None, :])[:, None]
    sliding = whole & ((position[:, :, None] - position[:, None, :]).abs() <= reach)[:, None]
    return _loss(
        encoder,
        batch,
        length,
        device,
        attention_mask={"full_attention": whole, "sliding_attention": sliding},
        position_ids=position,
    )


def padded(encoder: nn.Module, batch: Batch, length: int, device: torch.device) -> Loss:
    """Return the loss on rows that are padded to `length`, as the paper trains on documents."""
    real = _padded([torch.ones(len(row.tokens), dtype=torch.int64) for row in batch.rows], length, 0)
    return _loss(encoder, batch, length, device, attention_mask=real.to(device))


def _loss(encoder: nn.Module, batch: Batch, length: int, device: torch.device, **inputs: object) -> Loss:
    ids = _padded([torch.from_numpy(row.inputs) for row in batch.masked], length, PAD).to(device)
    labels = [torch.full((len(row.inputs),), IGNORED) for row in batch.masked]
    for label, row in zip(labels, batch.masked, strict=True):
        label[torch.from_numpy(row.positions)] = torch.from_numpy(row.labels)
    wanted = _padded(labels, length, IGNORED).to(device)

    def loss() -> Tensor:
        # As ours is trained: in bf16 on a GPU, in fp32 on a CPU.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            found: Tensor = encoder(input_ids=ids, labels=wanted, **inputs).loss
        return found

    return loss


def _padded(parts: Sequence[Tensor], length: int, value: int) -> Tensor:
    return torch.stack([F.pad(part, (0, length - len(part)), value=value) for part in parts])
