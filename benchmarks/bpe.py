"""Training a byte-level BPE, against `tokenizers`' own trainer: whole processes, from parts of documents to merges.

`python -m benchmarks.bpe --data DIRECTORY` samples the files of a directory first, which is not counted. *ours* is the
stage, `python -m corpus.tokens.bpe`, its words counted anew in each round; *tokenizers* is `train_from_iterator` over
the same texts on as many threads. Both read the same parts, and their merges are compared.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from benchmarks.measure import PATTERNS, print_table
from benchmarks.process import Cost, run
from common.errors import UserError, run_command
from common.files import read_json
from corpus.sampling.documents import split_texts
from corpus.sampling.sample import sample
from corpus.sources.readers import source_files
from corpus.tokens.pretokens import MOST_SPACES
from recipe.slices.types import SourceSlice, TokenizerSlice

_SPACE_RUN = re.compile(f" {{2,{MOST_SPACES}}}")


def train_by_tokenizers(documents: Path, vocabulary: int, output: Path) -> None:
    """Train as the stage does, with `tokenizers`' trainer, and write its tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        # 28 entries come before the bytes in the stage's too.
        vocab_size=vocabulary,
        special_tokens=[f"[{number}]" for number in range(28)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((_SPACE_RUN.split(text) for text in split_texts(documents, "train")), trainer)
    tokenizer.save(str(output))


def prepare(directory: Path, vocabulary: int, work: Path, word_bytes: int) -> Path:
    """Sample the files of a directory into `work`, write the tokenizer's slice there; return the manifest."""
    files = source_files([str(directory / pattern) for pattern in PATTERNS if any(directory.glob(pattern))])[0]
    source = SourceSlice(name="text", seed=1, language="fi", files=list(map(str, files)), held_out=0.0)
    sample(source, files, work / "documents" / "manifest.json", workers=2)
    recipe = TokenizerSlice(
        name="measured",
        seed=1,
        vocabulary=vocabulary,
        multiple=64,
        sample_bytes=2**62,
        word_bytes=word_bytes,
        factors={"text": 1.0},
        languages={"text": "fi"},
    )
    (work / "slice.json").write_text(recipe.model_dump_json())
    return work / "documents" / "manifest.json"


def measure(names: Sequence[str], documents: Path, work: Path, options: argparse.Namespace) -> dict[str, list[Cost]]:
    """Return the costs of each contestant, in turn, round by round.

    Raises:
        UserError: the merges differ.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    given = ["--documents", str(documents), "--workers", str(options.threads)]
    commands = {
        "ours": ["-m", "corpus.tokens.bpe", "--slice", str(work / "slice.json"), *given],
        "tokenizers": ["-m", "benchmarks.bpe", "--train", str(documents), "--vocabulary", str(options.vocabulary)],
    }
    for _ in range(options.rounds):
        merges = []
        for name in names:
            shutil.rmtree(work / name, ignore_errors=True)
            (work / name).mkdir()
            output = work / name / ("manifest.json" if name == "ours" else "tokenizer.json")
            command = [sys.executable, *commands[name], "--output", str(output)]
            costs[name].append(run([command], {"RAYON_NUM_THREADS": str(options.threads)})[0])
            merges.append(read_json(work / name / "tokenizer.json")["model"]["merges"])
            print(f"{name}: {json.dumps(vars(costs[name][-1]))}", file=sys.stderr)
        if any(one != merges[0] for one in merges):
            raise UserError("the merges differ; report this text.")
    return costs


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="directory of .jsonl, .jsonl.zst, .jsonl.gz or .parquet")
    parser.add_argument("--vocabulary", type=int, default=27_224, help="entries (default: %(default)s)")
    parser.add_argument("--word-bytes", type=int, default=100_000_000, help="as in a recipe (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads or processes of each (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times that all take turns (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="ours alone, where `tokenizers` would take hours")
    parser.add_argument("--train", type=Path, metavar="MANIFEST", help="be the contestant `tokenizers`")
    parser.add_argument("--output", type=Path, help="file that it writes")
    options = parser.parse_args()
    if options.train:
        train_by_tokenizers(options.train, options.vocabulary, options.output)
        return
    if not options.data:
        raise UserError("no text; give --data, a directory such as python -m benchmarks.corpus_text writes.")
    with tempfile.TemporaryDirectory(prefix="alasin-bpe-", dir=options.data.parent) as folder:
        documents = prepare(options.data, options.vocabulary, Path(folder), options.word_bytes)
        names = ["ours"] if options.alone else ["ours", "tokenizers"]
        costs = measure(names, documents, Path(folder), options)
        size = read_json(documents)["splits"]["train"]["bytes"]
    rows = [
        [
            name,
            *(f"{median(getattr(cost, field) for cost in each):,.1f}" for field in ("wall", "processor")),
            f"{median(cost.memory for cost in each) / 1e6:,.0f}",
            f"{size / 1e6 / median(cost.wall for cost in each):,.1f}",
        ]
        for name, each in costs.items()
    ]
    print_table(["trainer", "wall, s", "processor, s", "memory, MB", "MB/s"], rows)
    print(
        f"\n{size / 1e6:,.0f} MB, {options.vocabulary:,} entries, {options.threads} threads, {options.rounds} rounds."
    )


if __name__ == "__main__":
    run_command(main)
