"""Stage: pseudo-perplexity, one mask at a time (Salazar et al. 2020, arXiv 1910.14659, section 2).

Tokens of held-out pieces are hidden one at a time and guessed from all the others: the exponential of the mean loss is
the pseudo-perplexity. Beside it stand the bits per byte of the same tokens, which compare between tokenizers. Pieces
are drawn at random, sources in turn, and cut to the shortest row length of the recipe; of a piece at most `PER_PIECE`
tokens are hidden, drawn at random, for many pieces say more than many tokens of one.

A token that is a part of a word is easy to guess where the rest of the word is seen, so that tokenizers of many parts
look better than they are (Kauf and Ivanova 2023, arXiv 2305.10588); the loss of `evaluation.masked.mlm` suffers less.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from common.errors import run_command
from corpus.rows.keys import derive_key
from corpus.rows.permutation import Permutation
from corpus.tokens.sizes import token_bytes
from corpus.tokens.special import FIRST_ORDINARY, MASK
from evaluation.masked.rows import EvaluationRows
from evaluation.masked.scoring import ratio_stderr
from evaluation.results import write_result
from model.export import load_encoder
from model.held_out import HeldOutRow, guess, held_out_pieces
from model.masking import MaskedRow
from model.modernbert import ModernBert
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice

COMMAND = "python -m evaluation.masked.pseudo_perplexity"
PER_PIECE = 32


@dataclass(frozen=True)
class Piece:
    """A piece of held-out text and what became of its tokens."""

    source: str
    loss: NDArray[np.float64]
    """float64[t], of each token that was hidden, nats."""
    bytes: int
    """UTF-8 bytes of these tokens."""


@dataclass(frozen=True)
class PseudoPerplexity:
    """A row of the results: a language, or one of its sources."""

    language: str
    source: str | None
    """None for all sources of the language together."""
    pieces: int
    tokens: int
    bytes: int
    loss: float
    """Nats per token."""
    loss_stderr: float | None
    """Over pieces; none for a single one."""
    pseudo_perplexity: float
    bits_per_byte: float


def alone(tokens: NDArray[np.int64], source: str, key: bytes) -> list[HeldOutRow]:
    """Return a piece once for each of its ordinary tokens, at most `PER_PIECE`, with nothing else hidden.

    Args:
        tokens: int64[n], [CLS] and [SEP] among them.
        source: of the piece.
        key: chooses the tokens, where there are more.
    """
    places = np.flatnonzero(tokens >= FIRST_ORDINARY)
    places = np.sort(places[Permutation(len(places), key)(np.arange(min(PER_PIECE, len(places))))])
    rows = []
    for place in places:
        inputs = tokens.copy()
        inputs[place] = MASK
        masked = MaskedRow(inputs, np.array([place]), tokens[[place]])
        rows.append(HeldOutRow(source, masked, np.array([len(tokens)])))
    return rows


def measure(
    encoder: ModernBert,
    pieces: Iterable[tuple[str, NDArray[np.int64]]],
    limit: int,
    sizes: NDArray[np.int64],
    key: bytes,
    device: torch.device,
) -> Iterator[Piece]:
    """Yield pieces, (source, tokens) each, with the loss of some of their tokens, until `limit` tokens are measured.

    Args:
        encoder: on `device`.
        pieces: with [CLS] and [SEP].
        limit: tokens; the last piece may go beyond.
        sizes: of each entry of the tokenizer in bytes, as `token_bytes` returns them.
        key: chooses the tokens of long pieces.
        device: to compute on.
    """
    done = 0
    for source, tokens in pieces:
        if done >= limit:
            return
        if rows := alone(tokens, source, key):
            loss = np.concatenate([guesses.loss for guesses in guess(encoder, rows, device)])
            labels = np.concatenate([row.masked.labels for row in rows])
            yield Piece(source, loss, int(sizes[labels].sum()))
            done += len(rows)


def result(language: str, source: str | None, pieces: Sequence[Piece]) -> PseudoPerplexity:
    """Return the row of some pieces, at least one."""
    sums = np.array([piece.loss.sum() for piece in pieces])
    counts = np.array([len(piece.loss) for piece in pieces])
    size = sum(piece.bytes for piece in pieces)
    loss = float(sums.sum() / counts.sum())
    return PseudoPerplexity(
        language=language,
        source=source,
        pieces=len(pieces),
        tokens=int(counts.sum()),
        bytes=size,
        loss=loss,
        loss_stderr=ratio_stderr(sums, counts),
        pseudo_perplexity=exp(loss),
        bits_per_byte=float(sums.sum() / log(2) / size),
    )


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Measure a model's pseudo-perplexity on held-out text, one mask at a time."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the evaluation, from the recipe")
    parser.add_argument("--model", type=Path, required=True, help="config.json of the exported model")
    parser.add_argument("--rows", type=Path, required=True, help="rows.json of the evaluation")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, EvaluationSlice)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = arguments.model.with_name("tokenizer.json")
    data = EvaluationRows(arguments.rows, [], tokenizer)
    sizes = token_bytes(Tokenizer.from_file(str(tokenizer)))
    encoder = load_encoder(arguments.model).to(device).eval()
    key = derive_key(content.seed, "pseudo-perplexity")
    length, rows = min(content.lengths), []
    for language in sorted(content.languages):
        drawn = held_out_pieces(data.readers(language, length), content.pseudo_perplexity_tokens, length, content.seed)
        pieces = list(measure(encoder, drawn, content.pseudo_perplexity_tokens, sizes, key, device))
        if not pieces:
            print(f"{language}: no held-out document, so no pseudo-perplexity.")
            continue
        whole = result(language, None, pieces)
        rows.append(whole)
        for source in sorted({piece.source for piece in pieces}):
            rows.append(result(language, source, [piece for piece in pieces if piece.source == source]))
        print(
            f"{language}: pseudo-perplexity {whole.pseudo_perplexity:,.1f}, {whole.bits_per_byte:.3f} bits per byte, "
            f"{whole.tokens:,} tokens of {whole.pieces:,} pieces",
            flush=True,
        )
    facts = {"split": "validation", "length": length, "tokens_at_most": content.pseudo_perplexity_tokens}
    write_result(arguments.output, content.run, [asdict(row) for row in rows], seed=content.seed, **facts)


if __name__ == "__main__":
    run_command(main)
