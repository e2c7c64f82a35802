"""The tensors of a checkpoint: writing one whole or not at all, and reading it; `model.history.store` is the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from common.errors import UserError
from common.files import write_json
from common.listed import describe
from model.history.store import FORMAT, MANIFEST, TENSOR_FILES, put_in_place, staged_name

Tensors = dict[str, torch.Tensor]


def write_checkpoint(directory: Path, tensors: Mapping[str, Tensors], state: Mapping[str, Any]) -> None:
    """Write a checkpoint to `directory`, whole or not at all.

    Args:
        directory: Final name; what lies there from a discarded attempt is replaced.
        tensors: One mapping of parameter name to fp32 tensor for each of `TENSOR_FILES`.
        state: Content of `state.json`.

    Raises:
        UserError: if there is no room for it.
    """
    staged = staged_name(directory)
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for name in TENSOR_FILES:
        file = staged / f"{name}.safetensors"
        contiguous = {key: value.contiguous() for key, value in tensors[name].items()}
        try:
            save_file(contiguous, file, metadata={"format": "pt"})
        except SafetensorError as error:  # what an OSError becomes on its way through safetensors
            raise UserError(
                f"{file} could not be written ({error}). The checkpoint before it is whole; free some space there and "
                "run the same command again."
            ) from None
        with open(file, "rb+") as stream:
            os.fsync(stream.fileno())
    write_json(staged / "state.json", dict(state))
    files = sorted(path for path in staged.iterdir() if path.name != MANIFEST)
    write_json(staged / MANIFEST, {"format": FORMAT, "files": [describe(path) for path in files]})
    put_in_place(staged, directory)


def load_tensors(directory: Path) -> dict[str, Tensors]:
    """Return the fp32 tensors of a checkpoint on the CPU, by file and parameter name."""
    return {name: load_file(directory / f"{name}.safetensors") for name in TENSOR_FILES}
