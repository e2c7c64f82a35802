"""What the tokens of a tokenizer stand for, and which rows of an embedding become those of another tokenizer's tokens.

Tokens are compared by the bytes of text that they stand for, however a tokenizer writes them: byte-level BPE has a
character for each byte (`Ġtalo`), SentencePiece's kind has `▁` for a space and `<0xC3>` for a byte. Special tokens are
compared by their role: [CLS] here is <bos> or <s> elsewhere.

A token that the other tokenizer has not gets the mean of the rows of the pieces that it cuts the token into (Gee et al.
2022, "Fast Vocabulary Transfer", section 3.2). A mean of all rows with noise would tell nothing of the token; the mean
of the pieces says what the model knew of that text, and needs no random numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from common.errors import UserError
from common.files import read_json
from corpus.tokens.pretokens import byte_characters
from corpus.tokens.special import SPECIAL_TOKENS

ROLES = {
    "[MASK]": ("mask_token",),
    "[CLS]": ("cls_token", "bos_token"),
    "[PAD]": ("pad_token",),
    "[UNK]": ("unk_token",),
    "[SEP]": ("sep_token", "eos_token"),
}
"""Special token here -> keys under which transformers names a token of that role, the first that is there counts."""
_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "▁"


@dataclass(frozen=True)
class Vocabulary:
    """What a tokenizer's tokens are."""

    size: int
    """Ids are below it."""
    used: frozenset[int]
    """Ids that are a token's."""
    texts: Mapping[int, bytes]
    """Id -> the text that an ordinary token stands for; special tokens stand for none."""
    ordinary: Mapping[bytes, int]
    """Text -> the token that is used for it."""
    special: Mapping[str, int]
    """Role, as one of `SPECIAL_TOKENS` -> the token that plays it."""
    cut: Callable[[bytes], list[int]]
    """Cuts a piece of text into the ids of ordinary tokens; none where it has none for it."""


@dataclass(frozen=True)
class Rows:
    """Which rows of another embedding each row of an embedding is the mean of."""

    origins: list[list[int]]
    """By id; none for a row that nothing is known of."""
    kept: int
    """Tokens that both vocabularies have."""
    composed: int
    """Tokens that are the mean of others'."""
    unknown: int
    """Tokens that nothing is known of."""


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the vocabulary of a tokenizer.json, and the roles of its special tokens from the files beside it.

    Raises:
        UserError: it is no tokenizer, or one whose tokens do not say what text they stand for.
    """
    content = read_json(path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
        byte_level = _has(content, "ByteLevel")
        if content["model"]["type"] not in ("BPE", "Unigram") or not (byte_level or _SPACE in path.read_text("utf-8")):
            raise UserError(
                f"{path} is a tokenizer of the kind {content['model']['type']}, whose tokens do not tell their spaces; "
                "byte-level BPE and those of SentencePiece can be compared with the recipe's."
            )
        return _vocabulary(tokenizer, content, path.parent, byte_level)
    except UserError:
        raise
    except Exception as error:  # tokenizers raises nothing more special
        raise UserError(f"{path} is no tokenizer that can be read ({error}); copy it again.") from None


def _vocabulary(tokenizer: Tokenizer, content: Mapping[str, Any], directory: Path, byte_level: bool) -> Vocabulary:
    entries: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    added = {token["content"]: token["special"] for token in content.get("added_tokens", [])}
    special = _roles(directory, entries)
    meaning = _byte_level_text if byte_level else _sentencepiece_text
    texts: dict[int, bytes] = {}
    for entry, number in sorted(entries.items(), key=lambda item: (item[0] in added, not _FALLBACK.fullmatch(item[0]))):
        text = entry.encode() if entry in added else meaning(entry)
        if text and not added.get(entry) and number not in special.values():
            texts[number] = text
    # Of several that stand for the same text the last one is used: added tokens are looked for before all others, and
    # bytes of SentencePiece when there is nothing else.
    ordinary = {text: number for number, text in texts.items()}
    used = frozenset(entries.values())
    return Vocabulary(max(used) + 1, used, texts, ordinary, special, _cutter(tokenizer, byte_level, texts, ordinary))


def map_rows(ours: Vocabulary, theirs: Vocabulary, padded: int, rows: int) -> Rows:
    """Return what each row of an embedding is made of.

    Rows beyond the vocabulary, which no text ever uses, are those of the other embedding as far as it has such.

    Args:
        ours: whose tokens the rows will be.
        theirs: whose tokens the rows are that there are.
        padded: rows that will be.
        rows: rows that there are.
    """
    origins: list[list[int]] = [[] for _ in range(padded)]
    kept = composed = 0
    for role, number in ours.special.items():
        if theirs.special.get(role, rows) < rows:
            origins[number] = [theirs.special[role]]
            kept += 1
    for number, text in ours.texts.items():
        same = theirs.ordinary.get(text, rows)
        origins[number] = [same] if same < rows else [piece for piece in theirs.cut(text) if piece < rows]
        kept += same < rows
        composed += same >= rows and bool(origins[number])
    for number, other in zip(range(ours.size, padded), sorted({*range(rows)} - theirs.used), strict=False):
        origins[number] = [other]
    return Rows(origins, kept, composed, len(ours.used) - kept - composed)


def _cutter(
    tokenizer: Tokenizer, byte_level: bool, texts: Mapping[int, bytes], ordinary: Mapping[bytes, int]
) -> Callable[[bytes], list[int]]:
    characters = byte_characters()

    def cut(text: bytes) -> list[int]:
        if byte_level:
            written = "".join(characters[byte] for byte in text)
        else:
            try:
                written = text.decode().replace(" ", _SPACE)
            except UnicodeDecodeError:  # a part of a character
                return [ordinary[bytes([byte])] for byte in text if bytes([byte]) in ordinary]
        # The model alone: what comes before it changes text, and a token may be no whole character.
        return [token.id for token in tokenizer.model.tokenize(written) if token.id in texts]

    return cut


def _byte_level_text(entry: str) -> bytes | None:
    try:
        return bytes(_BYTE_OF[character] for character in entry)
    except KeyError:
        return None


def _sentencepiece_text(entry: str) -> bytes:
    if found := _FALLBACK.fullmatch(entry):
        return bytes.fromhex(found[1])
    return entry.replace(_SPACE, " ").encode()


def _roles(directory: Path, entries: Mapping[str, int]) -> dict[str, int]:
    """Return role -> id of the token that plays it, as the files beside a tokenizer say, else by its name here."""
    named: dict[str, Any] = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (directory / name).is_file():
            named = read_json(directory / name) | named
    found = {}
    for role in SPECIAL_TOKENS:
        tokens = [named.get(key) for key in ROLES[role]]
        names = [token["content"] if isinstance(token, dict) else token for token in tokens if token]
        if present := [name for name in (*names, role) if name in entries]:
            found[role] = entries[present[0]]
    return found


def _has(content: Any, kind: str) -> bool:
    """Return whether a normalizer, pre-tokenizer or decoder of a tokenizer.json is of some kind."""
    parts = [content.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")]
    return f'"type": "{kind}"' in json.dumps(parts)


_BYTE_OF = {character: byte for byte, character in enumerate(byte_characters())}
