"""Stage: a tokenizer from elsewhere as one of the recipe's, `python -m corpus.tokens.adopting`.

Packing and masking count on ids 0 to 4 for [MASK], [CLS], [PAD], [UNK] and [SEP], and on ordinary ids after them. So
the special tokens get these ids and names, and all others follow in the order that they had. Nothing else changes: text
is cut into the same tokens as before.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from common.errors import UserError, run_command
from common.files import read_json, sha256_of, write_json
from corpus.tokens.bpe import write_tokenizer
from corpus.tokens.encoding import FORMAT, TOKENIZER
from corpus.tokens.special import CLS, SEP, SPECIAL_TOKENS
from corpus.tokens.texts import SPACE, kind_of, roles
from recipe.slices.files import read_slice
from recipe.slices.types import AdoptedTokenizerSlice

COMMAND = "python -m corpus.tokens.adopting"
_ACROSS = re.compile(f"[^{SPACE}]{SPACE}")
_EDGES = ("a", "B", "ä", "я", "中", "1", "९", ".", ",", ")", "(", "'", '"', "-", "—", "&", "😀", "\u0301", "s", "'s")


def make(recipe: AdoptedTokenizerSlice, output: Path) -> dict[str, Any]:
    """Write a tokenizer's files beside `output`, then `output`; return the manifest.

    Raises:
        UserError: the directory has no tokenizer, or one that cannot be adopted.
    """
    output.unlink(missing_ok=True)
    path = Path(recipe.directory) / TOKENIZER
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a directory with a {TOKENIZER}.")
    content = read_json(path)
    if problem := _unlike(content):
        raise UserError(f"{path} {problem}, so it cannot be adopted; train a tokenizer and begin with the model.")
    try:
        tokenizer = Tokenizer.from_str(json.dumps(renumbered(content, path)))
    except UserError:
        raise
    except Exception as error:  # tokenizers raises nothing more special
        raise UserError(f"{path} is no tokenizer that can be read ({error}); copy it again.") from None
    if problem := _cut_elsewhere(tokenizer):
        raise UserError(f"{path} {problem}, so it cannot be adopted; train a tokenizer and begin with the model.")
    vocabulary = tokenizer.get_vocab_size()
    if vocabulary != recipe.vocabulary:
        raise UserError(f"{path} has other entries; write vocabulary: {vocabulary} into tokenizers.{recipe.name}.")
    write_tokenizer(tokenizer, output.parent)
    manifest = {
        "format": FORMAT,
        "vocabulary": vocabulary,
        "padded_vocabulary": -(-vocabulary // recipe.multiple) * recipe.multiple,
        "special": {token: number for number, token in enumerate(SPECIAL_TOKENS)},
        "fingerprint": sha256_of(output.parent / TOKENIZER),
        "from": {"directory": recipe.directory, "sha256": sha256_of(path)},
    }
    write_json(output, manifest)
    return manifest


def renumbered(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return a tokenizer.json with the special tokens first, by the names used here, and all others in their order.

    Raises:
        UserError: it has no token for a role, or one for two, or calls another one by a name that is used here.
    """
    entries = {**content["model"]["vocab"], **{token["content"]: token["id"] for token in content["added_tokens"]}}
    played = roles(path.parent, entries)
    for role in SPECIAL_TOKENS:
        if role not in played:
            raise UserError(f"{path} has no token for the role of {role}; name it in tokenizer_config.json beside it.")
        if played[role] != role and role in entries:
            raise UserError(f"{path} has a token {role} that does not play that role; it cannot be adopted.")
    if len(set(played.values())) < len(played):
        raise UserError(f"{path} has one token for two of the roles {', '.join(SPECIAL_TOKENS)}; it cannot be adopted.")
    names = {entry: role for role, entry in played.items()}
    others = sorted(entries.keys() - names.keys(), key=entries.__getitem__)
    ids = {entry: number for number, entry in enumerate([*SPECIAL_TOKENS, *others])}
    added = [
        token
        | {"content": names.get(token["content"], token["content"])}
        | ({"special": True, "normalized": False} if token["content"] in names else {})
        for token in content["added_tokens"]
    ]
    listed = {token["content"] for token in added}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added += [{"content": role, **flags} for role in SPECIAL_TOKENS if role not in listed]
    model = content["model"] | {"vocab": ids}
    if model.get("unk_token") is not None:
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    return {
        **content,
        "truncation": None,
        "padding": None,
        "model": model,
        "added_tokens": sorted(({**token, "id": ids[token["content"]]} for token in added), key=lambda one: one["id"]),
        "post_processor": _template(),
    }


def _template() -> dict[str, Any]:
    """Return the post-processor that puts [CLS] before a text and [SEP] after it."""

    def special(token: str, kind: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": kind}}

    def text(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    numbers = {"[CLS]": CLS, "[SEP]": SEP}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special("[SEP]", 1)],
        "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in numbers.items()},
    }


def _unlike(content: Any) -> str | None:
    """Return what makes a tokenizer.json one that stages here cannot read, or None."""
    if not isinstance(content, dict) or not {"model", "added_tokens"} <= content.keys():
        return "is no tokenizer.json"
    if content["model"].get("type") != "BPE" or (kind := kind_of(content)) is None:
        return f"is of the kind {content['model'].get('type')}, not byte-level BPE or SentencePiece's BPE"
    if kind == "sentencepiece" and any(_ACROSS.search(entry) for entry in content["model"]["vocab"]):
        return "has entries that go on after a space"
    return None


def _cut_elsewhere(tokenizer: Tokenizer) -> str | None:
    """Return what keeps long texts from being encoded in chunks that begin with a space, or None."""
    for before, after in product(_EDGES, _EDGES):
        first, second = f"x{before}", f" {after}y"
        whole, *parts = tokenizer.encode_batch([first + second, first, second], add_special_tokens=False)
        if whole.ids != parts[0].ids + parts[1].ids:
            return f"cuts {first + second!r} otherwise than in two at the space"
    return None


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Make a tokenizer from elsewhere one of the recipe's.")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the tokenizer, from the recipe")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the tokenizer goes beside it")
    arguments = parser.parse_args()
    recipe = read_slice(arguments.slice, AdoptedTokenizerSlice)
    manifest = make(recipe, arguments.output)
    print(f"{recipe.name}: {manifest['vocabulary']:,} entries of {recipe.directory}, the special ones first")


if __name__ == "__main__":
    run_command(main)
