"""A trained encoder as a directory that `transformers` loads, and the way back.

    results/models/{run}/
        model.safetensors                                           float32 weights, named as ModernBertForMaskedLM's
        tokenizer.json, tokenizer_config.json, special_tokens_map.json
        config.json                                                 written last: without it the directory is no model

The configuration says everything twice where transformers 4 and 5 differ: RoPE per layer type and the pattern of layers
for 5, the thetas and `global_attn_every_n_layers` for 4 and for `load_encoder`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from common.errors import UserError, run_command
from common.files import atomic_file, read_json, write_json
from corpus.tokens.encoding import read_encoder
from corpus.tokens.special import CLS, PAD, SEP
from model.averaging import checkpoints_at, mean_weights
from model.history.store import open_checkpoint
from model.modernbert import ModernBert, Shape
from model.training.checkpoint import load_weights
from recipe.slices.files import read_slice
from recipe.slices.types import AverageSlice, PhaseSlice

COMMAND = "python -m model.export"
WEIGHTS = "model.safetensors"
TOKENIZER_CONFIG = "tokenizer_config.json"


def transformers_config(shape: Shape, length: int) -> dict[str, Any]:
    """Return the content of config.json, for `transformers` 4.48 and later.

    Args:
        shape: shape of the encoder.
        length: tokens of the rows that it was trained on last, its `max_position_embeddings`.
    """
    kinds = ["full_attention" if shape.is_global(layer) else "sliding_attention" for layer in range(shape.layers)]
    return {
        "architectures": ["ModernBertForMaskedLM"],
        "model_type": "modernbert",
        "dtype": "float32",
        "vocab_size": shape.padded_vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": length,
        "local_attention": shape.local_attention,
        "layer_types": kinds,
        "global_attn_every_n_layers": shape.global_every,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": shape.global_rope_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": shape.local_rope_theta},
        },
        "global_rope_theta": shape.global_rope_theta,
        "local_rope_theta": shape.local_rope_theta,
        "norm_eps": shape.norm_eps,
        # What has a default in transformers, readers in other languages find nowhere else: candle calls the first so,
        # text-embeddings-inference asks for all.
        "layer_norm_eps": shape.norm_eps,
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "initializer_range": 0.02,
        "initializer_cutoff_factor": 2.0,
        "attention_dropout": 0.0,
        "norm_bias": False,
        "attention_bias": False,
        "mlp_bias": False,
        "decoder_bias": True,
        "classifier_bias": False,
        "tie_word_embeddings": True,
        # In layers with a window [CLS] sees only the beginning, so classifiers pool over all tokens.
        "classifier_pooling": "mean",
        "pad_token_id": PAD,
        "bos_token_id": CLS,
        "cls_token_id": CLS,
        "eos_token_id": SEP,
        "sep_token_id": SEP,
    }


def export(weights: Mapping[str, Tensor], shape: Shape, length: int, tokenizer: Path, directory: Path) -> None:
    """Write a model directory, config.json last.

    Args:
        weights: float32 tensors by the names in `ModernBert`'s state dict.
        shape: shape of the encoder.
        length: tokens of the rows that it was trained on last.
        tokenizer: manifest of its tokenizer, the tokenizer's files beside it.
        directory: where to write; files of the same names are replaced.

    Raises:
        UserError: if the weights are not of this shape, or the tokenizer's files are missing.
    """
    expected = {name: parameter.shape for name, parameter in ModernBert(shape, None).state_dict().items()}
    wrong = [name for name in sorted(expected.keys() | weights.keys()) if not _fits(name, weights, expected)]
    if wrong:
        raise UserError(
            f"the checkpoint's weights are not of the shape in the slice and tokenizer ({len(wrong)} differ, first "
            f"{wrong[0]}); give the slice and tokenizer of the phase that wrote the checkpoint."
        )
    (directory / "config.json").unlink(missing_ok=True)
    with atomic_file(directory / WEIGHTS) as stream:
        stream.write(save({name: tensor.contiguous() for name, tensor in weights.items()}, metadata={"format": "pt"}))
    for name in ("tokenizer.json", "special_tokens_map.json"):
        with atomic_file(directory / name) as stream:
            stream.write(tokenizer.with_name(name).read_bytes())
    settings = read_json(tokenizer.with_name(TOKENIZER_CONFIG))
    write_json(directory / TOKENIZER_CONFIG, settings | {"model_max_length": length})
    write_json(directory / "config.json", transformers_config(shape, length))


def load_encoder(config: Path) -> ModernBert:
    """Return the encoder that a config.json written by `export` describes, on the CPU, for evaluation.

    Raises:
        UserError: naming the file that is missing, damaged, or does not fit the others.
    """
    content = read_json(config)
    weights = config.with_name(WEIGHTS)
    try:
        shape = Shape(
            padded_vocabulary=content["vocab_size"],
            layers=content["num_hidden_layers"],
            hidden=content["hidden_size"],
            heads=content["num_attention_heads"],
            intermediate=content["intermediate_size"],
            global_every=content["global_attn_every_n_layers"],
            local_attention=content["local_attention"],
            global_rope_theta=content["global_rope_theta"],
            local_rope_theta=content["local_rope_theta"],
            norm_eps=content["norm_eps"],
        )
        encoder = ModernBert(shape, None)
        encoder.load_state_dict(load_file(weights))
    except KeyError as error:
        raise UserError(f"{config} has no {error.args[0]}; export the model again with {COMMAND}.") from None
    except FileNotFoundError:
        raise UserError(f"{weights} does not exist; export the model again with {COMMAND}.") from None
    except (SafetensorError, RuntimeError):
        raise UserError(f"{weights} is damaged or not of {config}; export the model again with {COMMAND}.") from None
    return encoder.eval()


def _fits(name: str, weights: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> bool:
    return name in weights and weights[name].shape == expected.get(name) and weights[name].dtype == torch.float32


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Write the model directory of a finished phase, which transformers loads."
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.json of the phase to export")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the same phase, from the recipe")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest.json of the tokenizer")
    parser.add_argument("--average", type=Path, help="JSON slice of the checkpoints to average; the last if not given")
    parser.add_argument("--output", type=Path, required=True, help="config.json to write; all else goes beside it")
    arguments = parser.parse_args()
    phase = read_slice(arguments.slice, PhaseSlice)
    tokenizer = read_encoder(arguments.tokenizer.with_name("tokenizer.json"))
    last = phase.stages[-1]
    shape = Shape(
        padded_vocabulary=tokenizer.padded_vocabulary,
        global_rope_theta=last.rope_theta,
        **phase.model.model_dump(),
    )
    if arguments.average:
        averaged = checkpoints_at(arguments.checkpoint, read_slice(arguments.average, AverageSlice).at_tokens)
        print(f"the mean of {', '.join(directory.name for directory in averaged)}")
        weights = mean_weights(averaged)
    else:
        weights = load_weights(open_checkpoint(arguments.checkpoint))
    directory = arguments.output.parent
    export(weights, shape, last.length, arguments.tokenizer, directory)
    count = sum(tensor.numel() for tensor in weights.values())
    print(f"{directory}: {count / 1e6:.3g}M parameters, rows of {last.length:,} tokens")
    print(f'  transformers.AutoModelForMaskedLM.from_pretrained("{directory}")')


if __name__ == "__main__":
    run_command(main)
