"""What the entries of a tokenizer stand for: bytes of text, or a role.

Byte-level BPE writes an entry with one character a byte (`Ġtalo`), SentencePiece's kind with `▁` for a space and
`<0xC3>` for a byte that has no other entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from common.files import read_json
from corpus.tokens.pretokens import byte_characters
from corpus.tokens.special import SPECIAL_TOKENS

Kind = Literal["byte-level", "sentencepiece"]
ROLES = {
    "[MASK]": ("mask_token",),
    "[CLS]": ("cls_token", "bos_token"),
    "[PAD]": ("pad_token",),
    "[UNK]": ("unk_token",),
    "[SEP]": ("sep_token", "eos_token"),
}
"""Special token here -> keys under which transformers names a token of that role, the first that is there counts."""
SPACE = "▁"
FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
_BYTE_OF = {character: byte for byte, character in enumerate(byte_characters())}


def kind_of(content: Mapping[str, Any]) -> Kind | None:
    """Return how the entries of a tokenizer.json are written, or None if in neither way."""
    around = json.dumps([content.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")], ensure_ascii=False)
    if content["model"]["type"] not in ("BPE", "Unigram"):
        return None
    if '"type": "ByteLevel"' in around:
        return "byte-level"
    return "sentencepiece" if SPACE in around else None


def text_of(entry: str, kind: Kind) -> bytes | None:
    """Return the text that an entry of the model stands for, or None if it is not written so; added ones are not."""
    if kind == "sentencepiece":
        found = FALLBACK.fullmatch(entry)
        return bytes.fromhex(found[1]) if found else entry.replace(SPACE, " ").encode()
    try:
        return bytes(_BYTE_OF[character] for character in entry)
    except KeyError:
        return None


def written(text: bytes, kind: Kind) -> str:
    """Return how a model would write a text. Raises `UnicodeDecodeError` for what is no UTF-8, where it must be."""
    if kind == "sentencepiece":
        return text.decode().replace(" ", SPACE)
    characters = byte_characters()
    return "".join(characters[byte] for byte in text)


def roles(directory: Path, entries: Collection[str]) -> dict[str, str]:
    """Return role -> the entry that plays it, as the files beside a tokenizer.json say, else by its name here."""
    named: dict[str, Any] = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (directory / name).is_file():
            named = read_json(directory / name) | named
    found = {}
    for role in SPECIAL_TOKENS:
        tokens = [named.get(key) for key in ROLES[role]]
        names = [token["content"] if isinstance(token, dict) else token for token in tokens if token]
        if present := [name for name in (*names, role) if name in entries]:
            found[role] = present[0]
    return found
