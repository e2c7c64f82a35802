"""What a finished encoder puts in the place of [MASK], one sentence per language: something to read in the report.

It goes through `transformers` alone, as a user of the model would: the numbers are those that anyone gets who loads the
directory. There is no state; a prompt's prediction depends on the model directory and the prompt.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from common.errors import UserError, run_command
from evaluation.results import write_result
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice

COMMAND = "python -m evaluation.masked.fill_mask"
PREDICTIONS = 5


@torch.inference_mode()
def predictions(model: Any, tokenizer: Any, prompt: str) -> list[dict[str, Any]]:
    """Return the likeliest tokens for the one [MASK] of a prompt, likeliest first.

    Args:
        model: a `transformers` model for masked language modelling.
        tokenizer: its tokenizer.
        prompt: text with one [MASK].

    Returns:
        `PREDICTIONS` of {"token": text, a space before it where it has one, "probability": over the padded vocabulary}.
        Special tokens and the padding of the vocabulary are left out.

    Raises:
        UserError: if the prompt has not exactly one [MASK].
    """
    encoded = tokenizer(prompt, return_tensors="pt")
    places = (encoded.input_ids[0] == tokenizer.mask_token_id).nonzero().flatten()
    if len(places) != 1:
        raise UserError(f"the prompt {prompt!r} has {len(places)} [MASK]; give it one, under evaluation.prompts.")
    probabilities = model(**encoded).logits[0, places[0]].float().softmax(-1)
    offered = probabilities.clone()
    offered[tokenizer.all_special_ids] = -1.0
    offered[len(tokenizer) :] = -1.0
    best = offered.topk(PREDICTIONS).indices.tolist()
    return [{"token": tokenizer.decode([token]), "probability": float(probabilities[token])} for token in best]


def fill_masks(config: Path, prompts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return {"language", "prompt", "predictions"} for each language's prompt, languages in the order of their names.

    Raises:
        UserError: if the model's directory is not complete, or a prompt has not exactly one [MASK].
    """
    if not config.is_file():
        raise UserError(f"{config} does not exist; export the model with python -m model.export.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.parent, local_files_only=True)
        model = AutoModelForMaskedLM.from_pretrained(config.parent, local_files_only=True).eval()
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"{config.parent} holds no model that transformers loads ({str(error).splitlines()[0]}); export it again "
            "with python -m model.export."
        ) from None
    return [
        {"language": language, "prompt": prompt, "predictions": predictions(model, tokenizer, prompt)}
        for language, prompt in sorted(prompts.items())
    ]


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Let a model fill in the [MASK] of each prompt in the recipe."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the evaluation, from the recipe")
    parser.add_argument("--model", type=Path, required=True, help="config.json of the exported model")
    parser.add_argument("--output", type=Path, required=True, help="fill_mask.json to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, EvaluationSlice)
    rows = fill_masks(arguments.model, content.prompts)
    for row in rows:
        guesses = ", ".join(f"{guess['token'].strip()} {guess['probability']:.1%}" for guess in row["predictions"])
        print(f"{row['language']}: {row['prompt']} -> {guesses}")
    write_result(arguments.output, content.run, rows)


if __name__ == "__main__":
    run_command(main)
