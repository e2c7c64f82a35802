"""How many bytes of text each entry of a tokenizer stands for."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from corpus.tokens.special import FIRST_ORDINARY
from corpus.tokens.texts import kind_of, text_of


def token_bytes(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Return how many bytes of text each entry of a tokenizer stands for, int64[vocabulary]; 0 of special ones."""
    content = json.loads(tokenizer.to_str())
    kind = kind_of(content) or "byte-level"
    added = {token["content"] for token in content["added_tokens"]}
    entries = [tokenizer.id_to_token(number) or "" for number in range(tokenizer.get_vocab_size())]
    texts = [entry.encode() if entry in added else text_of(entry, kind) or b"" for entry in entries]
    sizes = [len(text) for text in texts]
    sizes[:FIRST_ORDINARY] = [0] * FIRST_ORDINARY
    return np.array(sizes, dtype=np.int64)
