"""The tensors of a checkpoint: each rank writes a shard, rank 0 puts them together, and whoever loads gets them whole.

A shard is a safetensors file (https://huggingface.co/docs/safetensors, "Format"): 8 bytes, little-endian, the size of a
JSON header; the header, name -> dtype, shape, place; the tensors. All are fp32. Its tensors are named

    weights/{parameter}                     whole
    exp_avg/{parameter}/{first}             a run of the flattened moment, from element `first` on
    exp_avg_sq/{parameter}/{first}
    momentum/{parameter}/{first}            where Muon trains a parameter, instead of the other two

Ranks tell each other what they have written by files alone, so that all of this may run beside training, which talks
over the network: a rank leaves an entry beside its shard, and rank 0 looks for each by its name, since the listing of
a directory on a network file system may be old.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from common.errors import UserError
from common.files import full_disk_names, write_json
from common.listed import describe, problem_with
from model.history.store import FORMAT, MANIFEST, STATE, put_in_place, shard_name, shards_of

Tensors = dict[str, torch.Tensor]
MOMENTS = ("exp_avg", "exp_avg_sq")
"""Adam's two, under torch's names."""
_PIECE = 1 << 24
"""Bytes that are hashed and written at a time; Python's other threads run meanwhile."""
_LOOK_SECONDS = 0.02


def write_shard(staged: Path, rank: int, world_size: int, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write the shard of a rank, have it on the disk, read it again, and leave an entry that tells its checksum.

    The library's own writer is not used: it keeps all other threads of Python from running until it is done.

    Args:
        staged: directory of the checkpoint until it has its name; made if it is not there.
        rank: of this process, which writes no other file there.
        world_size: number of shards.
        tensors: name as above -> contiguous fp32 tensor on the CPU.

    Raises:
        OSError: there is no room, or no permission to write.
        UserError: what the disk holds is not what was written.
    """
    staged.mkdir(parents=True, exist_ok=True)
    path = staged / shard_name(rank, world_size)
    digest = hashlib.sha256()
    with full_disk_names(path), open(path, "wb", buffering=0) as stream:
        for content in (_header(tensors), *(_bytes_of(tensor) for tensor in tensors.values())):
            for begin in range(0, len(content), _PIECE):
                piece = content[begin : begin + _PIECE]
                digest.update(piece)
                while piece:  # a write without a buffer may be cut short
                    piece = piece[stream.write(piece) :]
        os.fsync(stream.fileno())
        # What is read again then comes from the disk, and the pages make room for what training needs.
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    entry = describe(path)
    if entry["sha256"] != digest.hexdigest():
        raise UserError(f"{path} does not hold what was written to it a moment ago; see to the disk and run again.")
    left = _entry_of(path)
    part = left.with_name(f".{left.name}.part")
    with full_disk_names(left):
        part.write_text(json.dumps(entry), encoding="utf-8")
    part.replace(left)  # from here on rank 0 may give the directory its name: nothing is done in it any more


def complete(staged: Path, directory: Path, world_size: int, state: Mapping[str, Any]) -> None:
    """Wait for the shards of all ranks, and make a checkpoint of them. Rank 0 does this.

    It waits for as long as this process lives: a rank that has died is the launcher's affair.

    Args:
        staged: where the shards are written.
        directory: final name; what lies there from a discarded attempt is replaced.
        world_size: number of shards.
        state: content of `state.json`.

    Raises:
        OSError: there is no room, or no permission to write.
        UserError: a shard has not the size that its writer told.
    """
    shards = [staged / shard_name(rank, world_size) for rank in range(world_size)]
    entries = [_wait_for(_entry_of(shard)) for shard in shards]
    for entry in entries:
        if problem := problem_with(staged, entry, checksum=False):  # the writer has compared the checksum
            raise UserError(f"{problem}; the checkpoint before it is whole. See to the disk and run again.")
    write_json(staged / STATE, dict(state))
    for shard in shards:
        _entry_of(shard).unlink()
    write_json(staged / MANIFEST, {"format": FORMAT, "files": [*entries, describe(staged / STATE)]})
    put_in_place(staged, directory)


def _header(tensors: Mapping[str, torch.Tensor]) -> memoryview:
    places: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        places[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(places, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors are aligned
    return memoryview(len(text).to_bytes(8, "little") + text)


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().view(-1).numpy().data.cast("B")


def _entry_of(shard: Path) -> Path:
    return shard.with_suffix(".json")


def _wait_for(path: Path) -> dict[str, Any]:
    while True:
        try:
            entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            time.sleep(_LOOK_SECONDS)
        else:
            return entry


def load_weights(directory: Path) -> Tensors:
    """Return the fp32 weights of a checkpoint on the CPU, by parameter name."""
    weights: Tensors = {}
    for shard in shards_of(directory):
        with safe_open(shard, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no mapping)
                kind, _, parameter = name.partition("/")
                if kind == "weights":
                    weights[parameter] = tensors.get_tensor(name)
    return weights


def load_tensors(directory: Path, moments: Mapping[str, Sequence[str]] | None = None) -> dict[str, Tensors]:
    """Return the fp32 tensors of a checkpoint on the CPU: `weights` and each kind of moment, by parameter name.

    Args:
        directory: of the checkpoint.
        moments: parameter -> kinds of moments that it has; those of Adam where nothing is said.

    Raises:
        UserError: the shards do not hold every element of every moment.
    """
    weights = load_weights(directory)
    wanted = {(kind, name) for name in weights for kind in (MOMENTS if moments is None else moments[name])}
    tensors: dict[str, Tensors] = {kind: {} for kind in sorted({kind for kind, _ in wanted})}
    for kind, name in wanted:
        tensors[kind][name] = torch.empty_like(weights[name])
    missing = {(kind, name): weights[name].numel() for kind, name in sorted(wanted)}
    for shard in shards_of(directory):
        with safe_open(shard, "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (no mapping)
                kind, parameter, *first = name.split("/")
                if (kind, parameter) in wanted:
                    run = stored.get_tensor(name)
                    tensors[kind][parameter].view(-1).narrow(0, int(first[0]), run.numel()).copy_(run)
                    missing[kind, parameter] -= run.numel()
    if wrong := [f"{moment} of {name}" for (moment, name), left in missing.items() if left]:
        raise UserError(f"{directory} does not hold all of {wrong[0]}; move it away and run again.")
    return {"weights": weights, **tensors}
