"""Directories of small ModernBERTs, as transformers writes them."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import ModernBertConfig, ModernBertForMaskedLM

from corpus.tokens.special import SPECIAL_TOKENS
from recipe.schema import ModelShape
from recipe.slices.types import StartSlice

SHAPE = ModelShape(
    layers=4,
    hidden=32,
    heads=2,
    intermediate=48,
    global_every=3,
    local_attention=8,
    local_rope_theta=3000.0,
    norm_eps=1e-4,
)
ROLES = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
"""As that other directory calls them."""
NAMES = dict(zip(SPECIAL_TOKENS, ("<mask>", "<s>", "<pad>", "<unk>", "</s>"), strict=True))


def their_tokenizer(ours: Path, last: int = 0) -> dict:
    """The content of a tokenizer.json: that of `ours`, its ids in reverse, its special tokens called otherwise.

    The last merges, `last` of them, are left out.
    """
    content = json.loads(ours.read_text())
    merges = content["model"]["merges"]
    merged = ["".join(pair) for pair in merges]
    content["model"]["merges"] = merges[: len(merges) - last]
    entries = content["model"]["vocab"]
    for entry in merged[len(merges) - last :]:
        del entries[entry]
    size = len(entries)
    content["model"]["vocab"] = {NAMES.get(entry, entry): size - 1 - number for entry, number in entries.items()}
    content["model"]["unk_token"] = "<unk>"
    for token in content["added_tokens"]:
        token["id"] = size - 1 - token["id"]
        token["content"] = NAMES.get(token["content"], token["content"])
    content["added_tokens"].sort(key=lambda token: token["id"])
    content["post_processor"] = None
    return content


def write_directory(directory: Path, tokenizer: dict, rows: int = 384, **settings) -> ModernBertForMaskedLM:
    """Write a model with random weights and return it."""
    directory.mkdir(parents=True)
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    Tokenizer.from_file(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(ROLES))
    ids = {name: number for number, name in enumerate(("pad", "eos", "bos", "cls", "sep"))}
    config = ModernBertConfig(
        vocab_size=rows,
        num_hidden_layers=SHAPE.layers,
        hidden_size=SHAPE.hidden,
        num_attention_heads=SHAPE.heads,
        intermediate_size=SHAPE.intermediate,
        local_attention=SHAPE.local_attention,
        norm_eps=SHAPE.norm_eps,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 70_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": SHAPE.local_rope_theta},
        },
        **{f"{name}_token_id": number for name, number in ids.items()},
        **settings,
    )
    torch.manual_seed(0)
    model = ModernBertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(directory)
    return model


def wanted(shape: ModelShape = SHAPE, run: str | None = None, directory: str | None = None) -> StartSlice:
    """The slice of a start."""
    return StartSlice(model="mine", shape=shape, run=run, directory=directory)
