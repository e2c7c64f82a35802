"""One global batch on one rank: forward and backward of its micro-batches, and what is counted of them."""

from __future__ import annotations

import torch
import torch.distributed as dist

from model.batch import FlatBatch
from model.loss import Losses
from model.modernbert import ModernBert
from model.training.data import RankBatch
from model.training.engine import Engine
from model.training.metrics import Tally


def accumulate(model: ModernBert, engine: Engine, batch: RankBatch, tally: Tally, device: torch.device) -> None:
    """Add this rank's part of a batch to the gradients, and to the tally. All ranks call this together.

    The loss is summed over masked positions and divided by their number in the whole batch, so that neither ranks nor
    micro-batches change it.

    Args:
        model: in fp32; on a GPU it computes in bf16.
        engine: whose gradients are added to.
        batch: what this rank computes.
        tally: of the same batch; its sums are this rank's until they are shared.
        device: of the model.
    """
    masked = torch.tensor(batch.masked, dtype=torch.float64, device=device)
    dist.all_reduce(masked)
    # DeepSpeed divides gradients by the world size; the loss is a mean over all masked positions of the batch. Nothing
    # here waits for the device: the processor runs ahead of it until the tally is shared.
    scale = (engine.world_size / masked.clamp(min=1.0)).float()
    last = len(batch.micro_batches) - 1
    for number, micro_batch in enumerate(batch.micro_batches):
        here = micro_batch.to(device)
        losses = losses_of(model, here.rows, scale)
        engine.backward(losses.total, last=number == last)
        tally.add(here, losses)


def losses_of(model: ModernBert, rows: FlatBatch, factor: torch.Tensor) -> Losses:
    """Return the losses of a micro-batch, as training computes them: on a GPU in bf16.

    Args:
        model: in fp32.
        rows: on its device.
        factor: float32[], of the sum of the losses.
    """
    device = rows.tokens.device.type
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        return model.losses(rows.tokens, rows.layout, rows.positions, rows.labels, factor)
