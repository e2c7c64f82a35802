"""How many bytes of text each entry of a tokenizer stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from corpus.tokens.special import FIRST_ORDINARY


def token_bytes(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Return how many bytes of text each entry of a byte-level BPE stands for, int64[vocabulary]; 0 of special ones.

    An entry is written with one character a byte.
    """
    sizes = [len(tokenizer.id_to_token(number) or "") for number in range(tokenizer.get_vocab_size())]
    sizes[:FIRST_ORDINARY] = [0] * FIRST_ORDINARY
    return np.array(sizes, dtype=np.int64)
