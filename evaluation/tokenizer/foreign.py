"""Tokenizers that were not trained here, to be measured beside those that were: from a directory, a file, or the hub.

Only what cannot run code is read: `tokenizer.json`, or where there is none, a vocabulary that `transformers` itself
makes a fast tokenizer of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from evaluation.hub import needing_the_hub

TOKENIZER = "tokenizer.json"
TOGETHER = 256
"""Texts that are encoded at a time, in as many threads as there are cores."""


@dataclass(frozen=True)
class ForeignEncoder:
    """A tokenizer of any kind, set to read special tokens as text and to cut nothing."""

    tokenizer: Any
    vocabulary: int
    """Entries, added tokens among them."""
    fingerprint: str
    """SHA-256 of it as JSON."""
    unknown: int | None
    """Id of what it has no token for; None where it has one for everything."""

    def encode(self, texts: Iterable[str]) -> Iterator[tuple[str, NDArray[np.uint32]]]:
        """Yield each text, in order, with its ids uint32[n]: content only, no special token among them."""
        left = iter(texts)
        while batch := list(islice(left, TOGETHER)):
            encoded = self.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            yield from ((text, np.array(one.ids, np.uint32)) for text, one in zip(batch, encoded, strict=True))


def read_foreign(name: str) -> ForeignEncoder:
    """Read a tokenizer from a directory, a tokenizer.json, or the hub.

    Raises:
        HubAbsentError: it is no path here, and the hub is out of reach.
        UserError: what is there is no tokenizer that can be read without running code.
    """
    path = Path(name)
    if path.is_file():
        tokenizer = _from_file(path)
    elif (path / TOKENIZER).is_file():
        tokenizer = _from_file(path / TOKENIZER)
    elif path.is_dir():
        tokenizer = _from_vocabulary(name)
    else:
        tokenizer = _from_hub(name)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    text = tokenizer.to_str()
    model = json.loads(text)["model"]
    unknown = model.get("unk_id")  # of Unigram; the others name the token
    if (token := model.get("unk_token")) is not None:
        unknown = tokenizer.token_to_id(token)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return ForeignEncoder(tokenizer, tokenizer.get_vocab_size(), fingerprint, unknown)


def _from_file(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no other kind
        raise UserError(f"{path} is no tokenizer.json that can be read ({error}); give another.") from None


def _from_hub(name: str) -> Any:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    with needing_the_hub(f"tokenizer {name}, which is no path here,"):
        try:
            return _from_file(Path(hf_hub_download(name, TOKENIZER)))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return _from_vocabulary(name)


def _from_vocabulary(name: str) -> Any:
    """Make a tokenizer of a repository or directory that has no tokenizer.json."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    made = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    if not isinstance(made, PreTrainedTokenizerFast):
        raise UserError(f"{name} has no {TOKENIZER}, and none can be made of it without running its code.")
    return made.backend_tokenizer
