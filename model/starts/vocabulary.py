"""What the tokens of a tokenizer stand for, and which rows of an embedding become those of another tokenizer's tokens.

Tokens are compared by the bytes of text that they stand for, however a tokenizer writes them: byte-level BPE has a
character for each byte (`Ġtalo`), SentencePiece's kind has `▁` for a space and `<0xC3>` for a byte. Special tokens are
compared by their role: [CLS] here is <bos> or <s> elsewhere.

A token that the other tokenizer has not gets the mean of the rows of the pieces that it cuts the token into (Gee et al.
2022, "Fast Vocabulary Transfer", section 3.2). A mean of all rows with noise would tell nothing of the token; the mean
of the pieces says what the model knew of that text, and needs no random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from common.errors import UserError
from common.files import read_json
from corpus.tokens.texts import FALLBACK, Kind, kind_of, roles, text_of, written


@dataclass(frozen=True)
class Vocabulary:
    """What a tokenizer's tokens are."""

    size: int
    """Ids are below it."""
    kind: Kind
    entries: Mapping[str, int]
    """As they are written -> id."""
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
        if (kind := kind_of(content)) is None:
            raise UserError(
                f"{path} is a tokenizer of the kind {content['model']['type']}, whose tokens do not tell their spaces; "
                "byte-level BPE and those of SentencePiece can be compared with the recipe's."
            )
        return _vocabulary(tokenizer, content, path.parent, kind)
    except UserError:
        raise
    except Exception as error:  # tokenizers raises nothing more special
        raise UserError(f"{path} is no tokenizer that can be read ({error}); copy it again.") from None


def _vocabulary(tokenizer: Tokenizer, content: Mapping[str, Any], directory: Path, kind: Kind) -> Vocabulary:
    entries: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    added = {token["content"]: token["special"] for token in content.get("added_tokens", [])}
    special = {role: entries[entry] for role, entry in roles(directory, entries).items()}
    texts: dict[int, bytes] = {}
    for entry, number in sorted(entries.items(), key=lambda item: (item[0] in added, not FALLBACK.fullmatch(item[0]))):
        text = entry.encode() if entry in added else text_of(entry, kind)
        if text and not added.get(entry) and number not in special.values():
            texts[number] = text
    # Of several that stand for the same text the last one is used: added tokens are looked for before all others, and
    # bytes of SentencePiece when there is nothing else.
    ordinary = {text: number for number, text in texts.items()}
    size = max(entries.values()) + 1
    return Vocabulary(size, kind, entries, texts, ordinary, special, _cutter(tokenizer, kind, texts, ordinary))


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
    same = {number: theirs.special[role] for role, number in ours.special.items() if role in theirs.special}
    for entry, number in ours.entries.items() if ours.kind == theirs.kind else ():
        # Written alike in a tokenizer of the same kind, it is the same token, even where another has the same text.
        if (other := theirs.entries.get(entry)) is not None and other not in theirs.special.values():
            same.setdefault(number, other)
    for number, text in ours.texts.items():
        if text in theirs.ordinary:
            same.setdefault(number, theirs.ordinary[text])
    kept = {number: other for number, other in same.items() if other < rows}
    for number, text in ours.texts.items():
        origins[number] = [piece for piece in theirs.cut(text) if piece < rows] if number not in kept else []
    composed = sum(map(bool, origins))
    for number, other in kept.items():
        origins[number] = [other]
    spare = sorted({*range(rows)} - {*theirs.entries.values()})
    for number, other in zip(range(ours.size, padded), spare, strict=False):
        origins[number] = [other]
    return Rows(origins, len(kept), composed, len(ours.entries) - len(kept) - composed)


def _cutter(
    tokenizer: Tokenizer, kind: Kind, texts: Mapping[int, bytes], ordinary: Mapping[bytes, int]
) -> Callable[[bytes], list[int]]:
    def cut(text: bytes) -> list[int]:
        try:
            entry = written(text, kind)
        except UnicodeDecodeError:  # a part of a character
            return [ordinary[bytes([byte])] for byte in text if bytes([byte]) in ordinary]
        # The model alone: what comes before it changes text, and a token may be no whole character.
        return [token.id for token in tokenizer.model.tokenize(entry) if token.id in texts]

    return cut
