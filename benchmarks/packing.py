"""Measure packing: slots that hold tokens and documents that are cut, and the speed of python -m corpus.rows.shards.

The first table compares rows of `corpus.rows.packing` with padding, one document a row, the rest of a longer one left
out. The second times `corpus.rows.shards.make`, which reads, tokenizes, packs and writes, against `encode_batch` of
`tokenizers` on the same documents, in batches of 1,000, with nothing else. Both tokenize on all cores; the processor
time of all threads counts.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.measure import Text, as_encoder, conditions, parser, print_table, ratio, read_text, take_turns
from common.errors import run_command
from common.files import sha256_of, write_json
from corpus.rows.packing import SPECIALS, cut_documents, fill, pack
from corpus.rows.shards import ShardPlan, make
from corpus.sampling.sample import sample
from corpus.sources.zstd import atomic_jsonl_zst
from corpus.tokens.bpe import train, write_tokenizer
from corpus.tokens.encoding import FORMAT, MANIFEST, TOKENIZER
from recipe.slices.types import SourceSlice

VOCABULARY = 27_224
LENGTHS = (128, 1024, 8192)
SPEED_LENGTH = 1024
BATCH = 1000


def packing_row(counts: NDArray[np.int64], length: int) -> list[str]:
    """Compare packing and padding of documents of `counts` ids, int64[d]; return a row of the first table."""
    packed = pack(cut_documents(counts, length), length)
    longer = int((counts > length - SPECIALS).sum())
    kept = np.minimum(counts, length - SPECIALS)
    return [
        f"{length:,}",
        f"{fill(packed, length):.2%}",
        f"{(kept + SPECIALS).mean() / length:.1%}",
        f"{longer / len(counts):.1%}",
        f"{packed.newly_cut / len(counts):.2%}",
        f"{1 - kept.sum() / counts.sum():.1%}",
    ]


def speed_rows(text: Text, trained: Tokenizer, rounds: int) -> list[list[str]]:
    """Time tokenizing alone and the whole stage, in turn; return the rows of the second table."""
    with tempfile.TemporaryDirectory() as folder:
        documents, tokenizer = _write_inputs(text, trained, Path(folder))
        index = Path(folder) / "rows" / "index.json"
        ways = {
            "encode_batch": lambda: _encode(text, trained),
            "corpus.rows.shards": lambda: _make(documents, tokenizer, index),
        }
        seconds = take_turns(ways, rounds)
    plain = seconds["encode_batch"]
    return [
        [name, f"{text.bytes / 1e6 / median(times):.2f}", f"{ratio(times, plain):.2f}"]
        for name, times in seconds.items()
    ]


def _make(documents: Path, tokenizer: Path, index: Path) -> None:
    make(ShardPlan("train", SPEED_LENGTH), documents, tokenizer, index)


def _encode(text: Text, tokenizer: Tokenizer) -> None:
    for first in range(0, len(text.documents), BATCH):
        tokenizer.encode_batch(text.documents[first : first + BATCH], add_special_tokens=False)


def _write_inputs(text: Text, trained: Tokenizer, folder: Path) -> tuple[Path, Path]:
    """Write the text as documents of one split, and the tokenizer; return their manifests."""
    raw, documents = folder / "raw.jsonl.zst", folder / "documents" / MANIFEST
    with atomic_jsonl_zst(raw) as write:
        for document in text.documents:
            write({"text": document})
    source = SourceSlice(name="benchmark", seed=0, language="en", files=[str(raw)], held_out=0.0)
    sample(source, [raw], documents, workers=1)
    tokenizer = folder / "tokenizer" / MANIFEST
    write_tokenizer(trained, tokenizer.parent)
    manifest = {
        "format": FORMAT,
        "vocabulary": trained.get_vocab_size(),
        "padded_vocabulary": as_encoder(trained).padded_vocabulary,
        "fingerprint": sha256_of(tokenizer.with_name(TOKENIZER)),
    }
    write_json(tokenizer, manifest)
    return documents, tokenizer


def main(arguments: argparse.Namespace) -> None:
    """Measure and print both tables."""
    text = read_text(arguments.data)
    trained = train(iter(text.documents), VOCABULARY)
    encoder = as_encoder(trained)
    counts = np.array([len(ids) for _, ids in encoder.encode(text.documents)])
    header = ["slots of a row", "filled, packed", "filled, padded", "longer than a row", "others cut by packing"]
    print_table([*header, "tokens lost by padding"], [packing_row(counts, length) for length in LENGTHS])
    print()
    print_table(["", "MB per processor second", "times as long"], speed_rows(text, trained, arguments.rounds))
    print(f"\n{encoder.vocabulary:,} entries in the tokenizer, {counts.sum():,} tokens.")
    print(conditions(text, arguments.rounds))


if __name__ == "__main__":
    made = parser(__doc__, rounds=5)
    run_command(lambda: main(made.parse_args()))
