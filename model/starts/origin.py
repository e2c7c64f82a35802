"""A directory in transformers' ModernBERT layout: what it holds, and in one sentence what it lacks. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.errors import UserError
from common.files import read_json
from recipe.schema import ModelShape
from recipe.slices.types import StartSlice
from recipe.starts import other_shape, tiling_problem

CONFIG, WEIGHTS, INDEX, TOKENIZER = "config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json"
TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
"""Say which tokens play which role; either may be absent."""
_WITHOUT = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")
"""Biases that the encoder here has not."""
_HEAD = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_LICENCE = re.compile(r"^license:[ \t]*[\"']?([\w.+-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Origin:
    """A ModernBERT in a directory."""

    directory: Path
    shape: ModelShape
    vocabulary: int
    """Rows of its embedding."""
    global_rope_theta: float
    length: int
    """Tokens that it was made for."""
    weights: tuple[Path, ...]
    """Files of safetensors, sorted by name."""
    config: Mapping[str, Any]

    @property
    def tokenizer(self) -> Path:
        """Its tokenizer.json."""
        return self.directory / TOKENIZER

    def files(self) -> list[Path]:
        """Return the files that decide what is made of it, sorted by name."""
        settings = [self.directory / name for name in TOKENIZER_SETTINGS]
        return sorted([self.directory / CONFIG, *self.weights, self.tokenizer, *filter(Path.is_file, settings)])

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {
            "directory": str(self.directory),
            "shape": self.shape.model_dump(mode="json"),
            "vocabulary": self.vocabulary,
            "global_rope_theta": self.global_rope_theta,
            "length": self.length,
            "licence": _licence(self.directory / "README.md"),
        }


def named_files(directory: Path) -> list[Path]:
    """Return the files of a model that are in a directory now, whether or not they make up one."""
    names = (CONFIG, TOKENIZER, *TOKENIZER_SETTINGS)
    return sorted([*(path for name in names if (path := directory / name).is_file()), *directory.glob("*.safetensors")])


def read_origin(directory: Path) -> Origin:
    """Read what a directory says of its model.

    Raises:
        UserError: it is absent, of another architecture, not of safetensors, or has parts that ours has not.
    """
    if not (directory / CONFIG).is_file():
        raise UserError(f"{directory} has no {CONFIG}; give a directory as transformers' save_pretrained writes it.")
    config = read_json(directory / CONFIG)
    if not isinstance(config, dict) or config.get("model_type") != "modernbert":
        found = config.get("model_type") if isinstance(config, dict) else None
        raise UserError(f"{directory} holds a model of type {found}, but only modernbert can be continued here.")
    if problem := _foreign_part(config):
        raise UserError(f"{directory / CONFIG}: {problem}.")
    if not (directory / TOKENIZER).is_file():
        raise UserError(f"{directory} has no {TOKENIZER}, which tells whose rows its embedding has; put it there.")
    try:
        shape = _shape(config)
        vocabulary, length = int(config["vocab_size"]), int(config.get("max_position_embeddings", 8192))
        theta = _theta(config, "full_attention", "global_rope_theta")
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        lacking = f"has no {error.args[0]}" if isinstance(error, KeyError) else "describes no shape that is known here"
        raise UserError(f"{directory / CONFIG} {lacking}; write the model anew with transformers.") from None
    return Origin(directory, shape, vocabulary, theta, length, _weight_files(directory), config)


def misfit(origin: Origin, content: StartSlice) -> str | None:
    """Return in one sentence why a model cannot begin with what is in a directory, or None if it can."""
    if content.run is not None:
        problem = tiling_problem(origin.shape, content.shape)
        return f"the model in {origin.directory} {problem}." if problem else None
    if keys := other_shape(origin.shape, content.shape):
        return f"the model in {origin.directory} has another shape; write {keys} into models.{content.model}."
    return None


def _foreign_part(config: Mapping[str, Any]) -> str | None:
    """Return what a configuration asks for that the encoder here has not."""
    for key in _WITHOUT:
        if config.get(key):
            return f"{key} is true, but the encoder here has no such biases, so it cannot be continued"
    if not config.get("tie_word_embeddings", True):
        return "tie_word_embeddings is false, but the decoder here is the embedding, so it cannot be continued"
    if (activation := config.get("hidden_activation", "gelu")) != "gelu":
        return f"hidden_activation is {activation}, but the encoder here has gelu, so it cannot be continued"
    if (activation := config.get("classifier_activation", "gelu")) != "gelu":
        return f"classifier_activation is {activation}, but the encoder here has gelu, so it cannot be continued"
    for kind, rope in _rope(config).items():
        if rope.get("rope_type", "default") != "default":
            return f"rope_type of {kind} is {rope['rope_type']}, but the encoder here has the default one alone"
    return None


def _rope(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return kind of layer -> its RoPE, as transformers 5 writes it; nothing for transformers 4."""
    given = config.get("rope_parameters") or {}
    return {kind: value for kind, value in given.items() if isinstance(value, dict)}


def _theta(config: Mapping[str, Any], kind: str, older: str) -> float:
    found = _rope(config).get(kind, {}).get("rope_theta", config.get(older))
    if found is None:  # where transformers 4 has no theta for layers with a window, they have that of the others
        found = config["global_rope_theta"]
    return float(found)


def _shape(config: Mapping[str, Any]) -> ModelShape:
    """Return the shape that a configuration describes. Raises `KeyError`, `ValueError` where it describes none."""
    return ModelShape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        intermediate=config["intermediate_size"],
        global_every=config.get("global_attn_every_n_layers") or _period(config["layer_types"]),
        local_attention=config["local_attention"],
        local_rope_theta=_theta(config, "sliding_attention", "local_rope_theta"),
        norm_eps=config["norm_eps"],
    )


def _period(kinds: list[str]) -> int:
    """Return n where layers 0, n, 2 n, ... and no others are global; raises `ValueError` if there is no such n."""
    for period in range(1, len(kinds) + 1):
        if all((kind == "full_attention") == (layer % period == 0) for layer, kind in enumerate(kinds)):
            return period
    raise ValueError("layers of the two kinds do not alternate regularly")


def _weight_files(directory: Path) -> tuple[Path, ...]:
    """Return the safetensors files of a model; raises `UserError` if there are none or the index names others."""
    if (directory / WEIGHTS).is_file():
        return (directory / WEIGHTS,)
    if (directory / INDEX).is_file():
        content = read_json(directory / INDEX)
        names = set(content.get("weight_map", {}).values()) if isinstance(content, dict) else set()
        odd = [name for name in names if Path(str(name)).name != name or not str(name).endswith(".safetensors")]
        absent = [name for name in names if name not in odd and not (directory / name).is_file()]
        if odd or absent or not names:
            named = f"names {(odd + absent)[0]}, which is no safetensors file beside it" if names else "names no files"
            raise UserError(f"{directory / INDEX} {named}; copy the whole directory again.")
        return tuple(sorted(directory / name for name in names))
    if pickles := sorted([*directory.glob("*.bin"), *directory.glob("*.pt")]):
        raise UserError(
            f"{pickles[0]} is a pickle, which could run code when it is read; convert it to {WEIGHTS} with "
            "transformers' save_pretrained where you trust it."
        )
    raise UserError(f"{directory} has neither {WEIGHTS} nor {INDEX}; put the weights there as safetensors.")


def _licence(card: Path) -> str | None:
    """Return the licence that a model card names in its head, if there is one."""
    try:
        head = _HEAD.match(card.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    found = _LICENCE.search(head[1]) if head else None
    return found[1] if found else None
