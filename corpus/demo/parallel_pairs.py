"""The demo's retrieval: a Finnish string of an interface finds its Swedish translation.

`python -m corpus.demo.parallel_pairs --wheel WHEEL --output FOLDER/train.jsonl` writes pairs to train on, and beside
them a task in the files of BEIR: `corpus.jsonl`, `queries.jsonl`, `qrels/dev.tsv`, `qrels/test.tsv`. The documents are
the translations of both splits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import orjson

from common.errors import run_command
from common.files import atomic_file
from corpus.demo.interface_text import parallel

QUERIES, DOCUMENTS = "fi", "sv"
SPLITS = ("dev", "test")


def write_task(pairs: dict[str, list[tuple[str, str]]], folder: Path) -> None:
    """Write the task of pairs, split -> (query, document), and `train.jsonl` last."""
    documents = {text: f"d{number}" for number, text in enumerate(_documents(pairs))}
    _write_lines(folder / "corpus.jsonl", ({"_id": name, "title": "", "text": text} for text, name in documents.items()))
    queries = [(f"{split}{number}", *pair) for split in SPLITS for number, pair in enumerate(pairs[split])]
    _write_lines(folder / "queries.jsonl", ({"_id": name, "text": query} for name, query, _ in queries))
    for split in SPLITS:
        with atomic_file(folder / "qrels" / f"{split}.tsv", "w") as stream:
            stream.write("query-id\tcorpus-id\tscore\n")
            stream.writelines(
                f"{name}\t{documents[answer]}\t1\n" for name, _, answer in queries if name.startswith(split)
            )
    _write_lines(folder / "train.jsonl", ({"query": query, "positive": answer} for query, answer in pairs["train"]))


def _documents(pairs: dict[str, list[tuple[str, str]]]) -> Iterable[str]:
    return dict.fromkeys(answer for split in SPLITS for _, answer in pairs[split])


def _write_lines(path: Path, rows: Iterable[dict[str, str]]) -> None:
    with atomic_file(path) as stream:
        stream.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.demo.parallel_pairs",
        description="Write a retrieval task, a string and its translation, out of a wheel.",
    )
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel that envs/text.txt pins")
    parser.add_argument("--output", type=Path, required=True, help="train.jsonl to write; the task goes beside it")
    arguments = parser.parse_args()
    pairs = parallel(arguments.wheel, QUERIES, DOCUMENTS)
    write_task(pairs, arguments.output.parent)
    print(f"{arguments.output.parent}: " + ", ".join(f"{len(own):,} pairs of {part}" for part, own in pairs.items()))


if __name__ == "__main__":
    run_command(main)
