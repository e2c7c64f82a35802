"""The held-out rows that an evaluation reads, and the token counts that it is compared with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from common.errors import UserError
from common.files import sha256_of
from corpus.rows.listing import read_index, read_list
from corpus.rows.store import RowReader, verify
from corpus.tokens.ids import count_unigrams, read_shards
from evaluation.masked.scoring import unigram_losses
from recipe.slices.types import EvaluationSlice


class EvaluationRows:
    """The rows that a model is measured on, and the token counts it is compared with, checked against its tokenizer."""

    def __init__(self, rows: Path, baseline: Sequence[Path], tokenizer: Path, split: str = "validation") -> None:
        """Open rows of a held-out split and count the baseline's tokens.

        Args:
            rows: rows.json of the evaluation.
            baseline: manifest.json of the token shards whose train split the baseline counts.
            tokenizer: tokenizer.json of the model.
            split: `validation` or `test`.

        Raises:
            UserError: if rows or shards are of another split or tokenizer, or damaged.
        """
        self.fingerprint = sha256_of(tokenizer)
        self.vocabulary: int = Tokenizer.from_file(str(tokenizer)).get_vocab_size()
        self._readers: dict[tuple[str, int], dict[str, RowReader]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        for path in read_list(rows).values():
            index = self._checked(path, read_index(path))
            if index["split"] != split:
                raise UserError(f"{path} holds rows of the {index['split']} split; give a list of {split} rows.")
            verify(path)
            place = (index["language"], index["length"])
            self._readers.setdefault(place, {})[index["source"]] = RowReader(path)
        for path in baseline:
            manifest = self._checked(path, read_shards(path))
            counts = self._counts.setdefault(manifest["language"], np.zeros(self.vocabulary, dtype=np.int64))
            counts += count_unigrams(path, "train")[: self.vocabulary]

    def readers(self, language: str, length: int) -> dict[str, RowReader]:
        """Return source -> held-out rows, which may all be empty."""
        return self._readers.get((language, length), {})

    def unigram(self, language: str) -> NDArray[np.float64]:
        """Return the baseline of a language; uniform if the train split holds none of it."""
        return unigram_losses(self._counts.get(language, np.zeros(self.vocabulary, dtype=np.int64)))

    def _checked(self, path: Path, content: dict[str, Any]) -> dict[str, Any]:
        if content["tokenizer"] != self.fingerprint:
            raise UserError(f"{path} was made with another tokenizer than the model; give those of its tokenizer.")
        return content


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options `--rows` and `--shards` of a command that opens rows with `open_rows`."""
    parser.add_argument("--rows", type=Path, required=True, help="rows.json of the evaluation")
    parser.add_argument(
        "--shards",
        type=Path,
        nargs="+",
        required=True,
        metavar="MANIFEST",
        help="manifest.json of token shards; those of the first stage's sources are the baseline",
    )


def open_rows(
    content: EvaluationSlice, given: argparse.Namespace, tokenizer: Path, split: str = "validation"
) -> EvaluationRows:
    """Return the rows of a command with `add_options`, for the model of a tokenizer.json."""
    return EvaluationRows(given.rows, baseline_of(content, given.shards), tokenizer, split)


def baseline_of(content: EvaluationSlice, shards: Sequence[Path]) -> list[Path]:
    """Return the manifests of `shards` that are of sources of the first stage, whose token counts are the baseline."""
    counted = {part.source for part in content.components}
    return [path for path in shards if read_shards(path)["source"] in counted]
