"""Stage: questions for a task are made from the text of a source; see `evaluation.understanding.questions`.

Those to learn from are of training text, those to choose the learning rate by and those of the test each of one half of
the held-out validation text. The test split stays what it is for.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import orjson
import zstandard
from tokenizers import Tokenizer

from common.errors import UserError, run_command
from common.files import atomic_file
from corpus.sampling.documents import part_texts, read_manifest
from evaluation.understanding.questions import questions
from recipe.slices.files import read_slice
from recipe.slices.types import QuestionsSlice

POOL_CHARACTERS = 1 << 25
"""Of text that is kept in memory; more makes other contexts, not better ones."""
MEASURED_TEXTS = 200
"""From which it is taken how many characters a token has."""


def pool(manifest: Path, split: str, seed: int) -> list[str]:
    """Return texts of whole parts of a split, the parts drawn by `seed`, until they are `POOL_CHARACTERS`.

    Raises:
        UserError: the manifest or a part is absent or not as it was written, or there is no document.
    """
    parts = read_manifest(manifest)["splits"][split]["files"]
    random.Random(seed).shuffle(parts)
    found: list[str] = []
    characters = 0
    for texts in (texts for part in parts for texts in part_texts(manifest, part)):
        own = texts.strings()
        found += own
        characters += sum(map(len, own))
        if characters > POOL_CHARACTERS:
            break
    if not found:
        raise UserError(f"{manifest} has no document in split {split}; hold out more of this source, or name another.")
    return found


def characters_of_token(texts: Sequence[str], tokenizer: Tokenizer) -> float:
    """Return how many characters a token of some of these texts has, as the mean."""
    some = texts[:: max(1, len(texts) // MEASURED_TEXTS)]
    tokens = sum(map(len, tokenizer.encode_batch_fast(list(some), add_special_tokens=False)))
    return sum(map(len, some)) / max(1, tokens)


def write(path: Path, records: Sequence[dict[str, object]]) -> None:
    """Write records as JSON Lines in Zstandard; equal records give equal bytes."""
    lines = b"".join(orjson.dumps(record) + b"\n" for record in records)
    with atomic_file(path) as stream:
        stream.write(zstandard.ZstdCompressor().compress(lines))


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.understanding.make_questions",
        description="Make questions from a source's text, each answered in one place of a long context.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the questions, from the recipe")
    parser.add_argument("--documents", type=Path, required=True, help="manifest of the source's documents")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json that counts the tokens")
    parser.add_argument("--output", type=Path, required=True, help="folder for train, dev and test.jsonl.zst")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, QuestionsSlice)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    held_out = pool(arguments.documents, "validation", content.seed)
    learnt = pool(arguments.documents, "train", content.seed)
    per_token = characters_of_token(learnt, tokenizer)
    edges = [0, *content.edges]
    for part, texts, number in (
        ("train", learnt, content.train),
        ("dev", held_out[::2], content.dev),
        ("test", held_out[1::2], content.test),
    ):
        key = f"{content.seed} {content.source} {part}"
        path = arguments.output / f"{part}.jsonl.zst"
        write(path, list(questions(texts, number, content.edges[-1], edges, per_token, key)))
        print(f"{path}: {number:,} questions of {len(texts):,} documents", flush=True)


if __name__ == "__main__":
    run_command(main)
