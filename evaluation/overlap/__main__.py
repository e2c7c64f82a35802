"""Stage: how much of the held-out text stands verbatim in the training text, by source.

A loss on text that was trained on says how well it was learnt by heart. Random held-out documents of each source, of
the validation and of the test split, are cut into all their windows of 16 tokens; the training text of all sources is
gone through once, and a token of a held-out document counts as seen if a window around it stands anywhere in it.
Everything is done on ids in token shards: some 20 million tokens a second and core.

Documents shorter than a window cannot be looked for; how many there are is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from common.errors import run_command
from common.files import write_json
from corpus.tokens.ids import open_shard, read_shards
from corpus.tokens.sizes import token_bytes
from evaluation.masked.scoring import ratio_stderr
from evaluation.overlap.held_out import Document, drawn_documents
from evaluation.overlap.windows import WINDOW, Hashes, HashSet, starts_inside, token_hashes, window_hashes

COMMAND = "python -m evaluation.overlap"
FORMAT = 1
HELD_OUT = ("validation", "test")
CHUNK = 1 << 22
"""Ids that a thread looks at together; some 100 bytes of memory each."""
NEAR = 0.5
"""Share of its bytes from which on a document counts as a copy."""
NAMED = 3
"""Sources of training text that are named for a held-out one, those with the most of it."""


def seen_in(path: Path, wanted: HashSet, tokens: Hashes) -> NDArray[np.int64]:
    """Return the numbers of the wanted windows that a shard of training text holds, each once, ascending."""
    shard = open_shard(path)
    found = []
    for begin in range(0, len(shard.ids), CHUNK):
        end = min(begin + CHUNK + WINDOW - 1, len(shard.ids))
        places, numbers = wanted.find(window_hashes(shard.ids[begin:end], tokens))
        first, last = np.searchsorted(shard.ends, (begin, end), side="right")
        ends = shard.ends[first:last].astype(np.int64) - begin
        inside = starts_inside(ends[ends < end - begin], end - begin)
        found.append(np.unique(numbers[inside[places]]))
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def account(
    documents: Sequence[Document], wanted: HashSet, seen: Mapping[str, NDArray[np.bool_]], sizes: NDArray[np.int64]
) -> dict[str, Any]:
    """Return how much of some documents was seen in training text, in bytes of text.

    Args:
        documents: of one source and split.
        wanted: the windows of all held-out documents.
        seen: source of training text -> bool by number in `wanted`.
        sizes: bytes of each id.
    """
    long = [document for document in documents if len(document.windows)]
    total = np.array([int(sizes[document.ids].sum()) for document in long], dtype=np.int64)
    anywhere = np.any(list(seen.values()), axis=0)
    covered = np.array([_bytes(document, wanted, anywhere, sizes) for document in long], dtype=np.float64)
    by_source = {name: sum(_bytes(one, wanted, own, sizes) for one in long) for name, own in seen.items()}
    most = sorted((name for name in by_source if by_source[name]), key=lambda name: (-by_source[name], name))
    size = int(total.sum())
    return {
        "documents": len(documents),
        "shorter_than_a_window": len(documents) - len(long),
        "bytes": size,
        "seen_bytes": int(covered.sum()),
        "seen": float(covered.sum() / size) if size else None,
        "seen_stderr": ratio_stderr(covered, total) if size else None,
        "copies": int((covered >= NEAR * total).sum()) if size else 0,
        "where": [{"source": name, "seen": by_source[name] / size} for name in most[:NAMED]],
    }


def _bytes(document: Document, wanted: HashSet, seen: NDArray[np.bool_], sizes: NDArray[np.int64]) -> int:
    numbers = np.searchsorted(wanted.hashes, document.windows)
    return int(sizes[document.ids[document.covered(seen[numbers])]].sum())


def measure(
    manifests: Sequence[Path], sizes: NDArray[np.int64], limit: int, seed: int, threads: int
) -> list[dict[str, Any]]:
    """Return a row for each source and held-out split that holds a document.

    Args:
        manifests: of the token shards of every source, by one tokenizer.
        sizes: bytes of each id.
        limit: held-out tokens of each source and split that are looked for.
        seed: of the recipe.
        threads: that look through training text.

    Raises:
        UserError: a shard is absent or damaged.
    """
    contents = {path: read_shards(path) for path in manifests}
    tokens = token_hashes(max(content["padded_vocabulary"] for content in contents.values()))
    drawn = {
        (path, split): drawn_documents(path, split, limit, seed, tokens) for path in manifests for split in HELD_OUT
    }
    hashes = [document.windows for documents in drawn.values() for document in documents]
    wanted = HashSet(np.concatenate([np.zeros(0, np.uint64), *hashes]))
    seen = {content["source"]: np.zeros(len(wanted.hashes), dtype=bool) for content in contents.values()}
    shards = [
        (content["source"], path.parent / entry["name"])
        for path, content in contents.items()
        for entry in content["splits"]["train"]["files"]
    ]
    with ThreadPoolExecutor(threads) as pool:
        numbers = pool.map(lambda shard: seen_in(shard[1], wanted, tokens), shards)
        for (source, _), found in zip(shards, numbers, strict=True):
            seen[source][found] = True
    return [
        {"source": contents[path]["source"], "language": contents[path]["language"], "split": split}
        | account(documents, wanted, seen, sizes)
        for (path, split), documents in drawn.items()
        if documents
    ]


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Measure how much of the held-out text stands verbatim in the training text."
    )
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest.json of the tokenizer")
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, metavar="MANIFEST", help="manifest.json of token shards"
    )
    parser.add_argument("--seed", type=int, required=True, help="of the recipe; chooses the held-out documents")
    parser.add_argument(
        "--tokens", type=int, default=200_000, help="held-out tokens of each source and split (default: 200000)"
    )
    parser.add_argument("--threads", type=int, default=1, help="that look through training text (default: 1)")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer.with_name("tokenizer.json")))
    rows = measure(arguments.shards, token_bytes(tokenizer), arguments.tokens, arguments.seed, arguments.threads)
    for row in rows:
        share = "too short to say" if row["seen"] is None else f"{row['seen']:.1%} stands in training text"
        where = ", ".join(f"{one['source']} {one['seen']:.1%}" for one in row["where"])
        print(f"{row['source']} {row['split']}: {share}{' (' + where + ')' if where else ''}")
    facts = {"window_tokens": WINDOW, "tokens_at_most": arguments.tokens, "seed": arguments.seed, "copy_from": NEAR}
    write_json(arguments.output, {"format": FORMAT, "rows": rows, **facts})


if __name__ == "__main__":
    run_command(main)
