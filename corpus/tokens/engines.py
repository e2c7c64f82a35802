"""Engines that turn text into ids; they give the same ids and differ in speed alone.

`tokenizers` is the reference: what it says is right. `tokie` is many times as fast (docs/performance.md). Which one is
used changes no result, so it is no part of what a stage's result depends on; `corpus.tokens.comparing` compares the two
on a sample of every source.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import tokie
from numpy.typing import NDArray
from tokenizers import Tokenizer

if TYPE_CHECKING:  # at run time it costs as much as all other imports
    from recipe.types import Engine

Flat = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""uint32[n], ids of texts one after the other, and int64[t], how many each text has."""
Encode = Callable[[Sequence[str]], Flat]


def open_engine(content: str, name: Engine, threads: bool = True) -> Encode:
    """Return what encodes texts with a tokenizer, given as the text of its tokenizer.json.

    Every text gives the ids of its content alone: none is added, and text that looks like a special token is ordinary.
    `threads` says whether tokie may compute in threads of its own, one for each core that this process may use, or
    stays in the calling one; `tokenizers` has as many as RAYON_NUM_THREADS says at its first text.
    """
    return ENGINES[name](content, threads)


def _tokenizers(content: str, threads: bool) -> Encode:
    tokenizer = Tokenizer.from_str(content)
    tokenizer.encode_special_tokens = True

    def encode(texts: Sequence[str]) -> Flat:
        encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        lengths = np.array([len(encoding) for encoding in encodings], dtype=np.int64)
        parts = [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings]
        return np.concatenate([np.zeros(0, np.uint32), *parts]), lengths

    return encode


def _tokie(content: str, threads: bool) -> Encode:
    tokenizer: dict[str, Any] = orjson.loads(content)
    # It finds special tokens in text, and adds them by the template; what it is not told of it can do neither with.
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if not token["special"]]
    tokenizer["post_processor"] = None
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(orjson.dumps(tokenizer))
        file.flush()
        engine: Any = tokie.Tokenizer.from_json(file.name)  # its stubs lack the method below

    def encode(texts: Sequence[str]) -> Flat:
        if not texts:
            return np.zeros(0, np.uint32), np.zeros(0, np.int64)
        # It starts threads in every call with more than one text, or one of more than some 32 kB, whatever it is told.
        # Text by text takes the same processor time where texts are no shorter than a line.
        calls = [list(texts)] if threads else [[text] for text in texts]
        results = [engine.encode_batch_flat(call) for call in calls]
        ids, lengths = (np.concatenate(parts) for parts in zip(*results, strict=True))
        return ids, lengths.astype(np.int64)

    return encode


ENGINES: Mapping[Engine, Callable[[str, bool], Encode]] = {"tokie": _tokie, "tokenizers": _tokenizers}
REFERENCE: Engine = "tokenizers"
