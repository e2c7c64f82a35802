"""An engine that errs is found, and the text with it."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from corpus.tokens.comparing import compared
from corpus.tokens.encoding import TextEncoder, read_encoder

TEXTS = [f"The anvil is old, the hammer {number} is new." for number in range(10)]


def wrong_at(encoder: TextEncoder, word: str) -> TextEncoder:
    """Return an encoder that gives texts with a word one id more."""

    def encode(texts):
        encoded = [encoder.engine([text])[0] for text in texts]
        encoded = [
            np.append(ids, np.uint32(7)) if word in text else ids for text, ids in zip(texts, encoded, strict=True)
        ]
        return np.concatenate(encoded), np.array([len(ids) for ids in encoded])

    return TextEncoder(encode, encoder.vocabulary, encoder.padded_vocabulary, encoder.fingerprint)


def test_what_agrees_passes_unchanged(tokenizer_manifest: Path) -> None:
    fast, reference = (read_encoder(tokenizer_manifest, name) for name in ("tokie", "tokenizers"))
    passed = list(compared(fast.encode(TEXTS), fast, reference, 3))
    assert [(text, ids.tolist()) for text, ids in passed] == [
        (text, ids.tolist()) for text, ids in reference.encode(TEXTS)
    ]


@pytest.mark.parametrize(("word", "number"), [("hammer 0", 0), ("hammer 6", 6)])
def test_a_difference_in_a_compared_text_is_told_with_the_text(
    tokenizer_manifest: Path, word: str, number: int
) -> None:
    reference = read_encoder(tokenizer_manifest, "tokenizers")
    fast = wrong_at(reference, word)
    with pytest.raises(UserError, match=rf"document {number} .*engine: tokenizers.*{word}"):
        list(compared(fast.encode(TEXTS), fast, reference, 3))


def test_texts_between_the_compared_ones_are_not_encoded_twice(tokenizer_manifest: Path) -> None:
    reference = read_encoder(tokenizer_manifest, "tokenizers")
    fast = wrong_at(reference, "hammer 4")
    assert len(list(compared(fast.encode(TEXTS), fast, reference, 3))) == len(TEXTS)
