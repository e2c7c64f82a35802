"""An engine that errs is found, and the text with it."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from corpus.tokens.comparing import COMPARED_CHARACTERS, refuse_difference
from corpus.tokens.encoding import TextEncoder, read_encoder

SAMPLE = [(number, f"The anvil is old, the hammer {number} is new.") for number in range(0, 10, 3)]


def wrong_at(encoder: TextEncoder, word: str) -> TextEncoder:
    """Return an encoder that gives texts with a word one id more."""

    def encode(texts):
        encoded = [encoder.engine([text])[0] for text in texts]
        encoded = [
            np.append(ids, np.uint32(7)) if word in text else ids for text, ids in zip(texts, encoded, strict=True)
        ]
        return np.concatenate(encoded), np.array([len(ids) for ids in encoded])

    return TextEncoder(encode, encoder.vocabulary, encoder.padded_vocabulary, encoder.fingerprint)


def test_what_agrees_passes(tokenizer_manifest: Path) -> None:
    fast, reference = (read_encoder(tokenizer_manifest, name) for name in ("tokie", "tokenizers"))
    refuse_difference(SAMPLE, "part-0", fast, reference)


@pytest.mark.parametrize(("word", "number"), [("hammer 0", 0), ("hammer 6", 6)])
def test_a_difference_is_told_with_the_text_and_its_place(tokenizer_manifest: Path, word: str, number: int) -> None:
    reference = read_encoder(tokenizer_manifest, "tokenizers")
    with pytest.raises(UserError, match=rf"document {number} \(from 0\) of part-0 .*engine: tokenizers.*{word}"):
        refuse_difference(SAMPLE, "part-0", wrong_at(reference, word), reference)


def test_a_long_text_is_compared_at_its_beginning_only(tokenizer_manifest: Path) -> None:
    reference = read_encoder(tokenizer_manifest, "tokenizers")
    long = [(0, "anvil " * COMPARED_CHARACTERS + "hammer")]
    refuse_difference(long, "part-0", wrong_at(reference, "hammer"), reference)
