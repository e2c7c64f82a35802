"""Checkpoints for tests, written as ranks write them, all by one process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from model.history.store import staged_name
from model.training.checkpoint import MOMENTS, Tensors, complete, load_weights, write_shard
from model.training.engine import share_of_weights


def write_checkpoint(directory: Path, tensors: Mapping[str, Tensors], state: Mapping[str, Any], ranks: int = 1) -> None:
    """Write weights and moments in as many shards as there are ranks, each moment cut anywhere."""
    staged = staged_name(directory, "1")
    for rank in range(ranks):
        own: Tensors = {}
        for name in share_of_weights(tensors["weights"], rank, ranks):
            own[f"weights/{name}"] = tensors["weights"][name].contiguous()
        for moment in MOMENTS:
            for name, whole in tensors[moment].items():
                first, end = (whole.numel() * (rank + more) // ranks for more in (0, 1))
                if first < end:
                    own[f"{moment}/{name}/{first}"] = whole.contiguous().view(-1)[first:end]
        write_shard(staged, rank, ranks, own)
    complete(staged, directory, ranks, state)


def of_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, Tensors]:
    """Return the tensors of a checkpoint of these weights, with moments that are equal to them."""
    return {kind: dict(weights) for kind in ("weights", *MOMENTS)}


def numpy_weights(directory: Path) -> dict[str, Any]:
    """Return the weights of a checkpoint as arrays, by name."""
    return {name: weight.numpy() for name, weight in load_weights(directory).items()}
