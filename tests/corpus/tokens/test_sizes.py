"""The bytes of a text are those of its tokens."""

from pathlib import Path

from tokenizers import Tokenizer

from corpus.tokens.sizes import token_bytes
from tests.conftest import TEXTS


def test_the_bytes_of_a_text_are_those_of_its_tokens(tokenizer_manifest: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_manifest.with_name("tokenizer.json")))
    sizes = token_bytes(tokenizer)
    for text in (*TEXTS, "Ä    ö\n\n漢字 🙂"):
        assert sizes[tokenizer.encode(text, add_special_tokens=False).ids].sum() == len(text.encode())
