"""Stage: the weights that a model begins with, `python -m model.starts`."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from common.errors import UserError, run_command
from common.files import atomic_file, write_json
from common.listed import describe
from corpus.tokens.encoding import TOKENIZER, Description, read_description
from model.starts.manifest import FORMAT, WEIGHTS
from model.starts.origin import Origin, misfit, read_origin
from model.starts.tiling import tile
from model.starts.vocabulary import Rows, map_rows, read_vocabulary
from model.starts.weights import for_vocabulary, load_weights
from recipe.slices.files import read_slice
from recipe.slices.types import StartSlice

COMMAND = "python -m model.starts"


def make(content: StartSlice, tokenizer: Path, directory: Path, output: Path) -> dict[str, Any]:
    """Write the weights that a model begins with beside `output`, then `output`; return the manifest.

    Args:
        content: what is wanted.
        tokenizer: manifest of the model's tokenizer.
        directory: the model to begin from.
        output: manifest to write.

    Raises:
        UserError: the directory holds nothing that fits.
    """
    output.unlink(missing_ok=True)
    origin = read_origin(directory)
    if problem := misfit(origin, content):
        raise UserError(problem)
    told = read_description(tokenizer)
    ours, theirs = read_vocabulary(tokenizer.with_name(TOKENIZER)), read_vocabulary(origin.tokenizer)
    rows = map_rows(ours, theirs, told.padded_vocabulary, origin.vocabulary)
    weights = for_vocabulary(load_weights(origin), rows, told.vocabulary)
    if content.run is not None:
        weights = tile(weights, origin.shape, content.shape)
    _write(output.with_name(WEIGHTS), weights)
    files = [describe(path) for path in origin.files()]
    manifest = {
        "format": FORMAT,
        "model": content.model,
        "weights": describe(output.with_name(WEIGHTS)),
        "from": {"run": content.run, **origin.facts(), "files": files},
        "tokenizer": told.fingerprint,
        "tokens": {"kept": rows.kept, "composed": rows.composed, "unknown": rows.unknown},
        "digest": _digest(content, told, files),
    }
    write_json(output, manifest)
    _tell(content, origin, rows, told)
    return manifest


def _digest(content: StartSlice, tokenizer: Description, files: list[dict[str, Any]]) -> str:
    """Return a hexadecimal digest of all that decides the weights; names and places are no part of it."""
    decisive = {
        "format": FORMAT,
        "shape": content.shape.model_dump(mode="json"),
        "tiled": content.run is not None,
        "tokenizer": tokenizer.fingerprint,
        "padded_vocabulary": tokenizer.padded_vocabulary,
        "files": sorted(file["sha256"] for file in files),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _write(path: Path, weights: Mapping[str, Tensor]) -> None:
    with atomic_file(path) as stream:
        stream.write(save(dict(weights), metadata={"format": "pt"}))


def _tell(content: StartSlice, origin: Origin, rows: Rows, told: Description) -> None:
    print(
        f"{content.model}: {rows.kept:,} of {told.vocabulary:,} tokens keep their embeddings, {rows.composed:,} get "
        f"the mean of their pieces', {rows.unknown:,} the mean of all"
    )
    print(
        f"  from {origin.directory}, whose global layers have RoPE theta {origin.global_rope_theta:g}: the rope_theta "
        "to go on with in the recipe's stages"
    )


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Make the weights that a model begins with from those of another."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the start, from the recipe")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest.json of the model's tokenizer")
    parser.add_argument(
        "--models", type=Path, required=True, help="folder of exported models, a directory for each run"
    )
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the weights go beside it")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, StartSlice)
    directory = arguments.models / content.run if content.run is not None else Path(content.directory or "")
    make(content, arguments.tokenizer, directory, arguments.output)


if __name__ == "__main__":
    run_command(main)
