"""Stage: the words of a sample with their counts, which every tokenizer that is trained on that sample shares.

The way of a word: the train texts of a source's part -> each taken a number of times that makes its source's share go
with factor x bytes -> cut into words and counted (`corpus.tokens.pretokens`) -> a file for the part -> the parts of a
language added up -> a file for the language. Whether a text is taken is decided by a hash of it, so the sample does not
depend on the order of the documents. Counts are 64-bit.

The file of a part is written whole and outlives the process: a count that was killed goes on with the parts that are
missing. manifest.json comes last; then the files of the parts are removed.

Distinct words never end, and memory does: of more than `word_bytes` the rarest are left out (`corpus.tokens.pruning`),
and the manifest says how many.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import UserError, run_command
from common.files import atomic_file, read_json, write_json
from common.listed import describe, refuse_changed
from common.workers import map_in_processes
from corpus.sampling.cuts import documents_digest
from corpus.sampling.documents import manifests_by_source, part_texts, read_manifest, text_digest
from corpus.tokens.pretokens import COUNTS, add_up, count_chunks, words_of
from corpus.tokens.pruning import Bounded, Pruned, budgets, give_memory_back, prune
from corpus.tokens.renamed import take_over
from recipe.slices.files import read_slice
from recipe.slices.types import SampleSlice

COMMAND = "python -m corpus.tokens.words"
FORMAT = 1
BATCH_BYTES = 1 << 22
"""Text whose chunks are counted together."""
HELD_BYTES = 1 << 24
"""Distinct chunks that are held before they become words."""
PARTS = "parts"


@dataclass
class Drawn:
    """What the sample took of one source; a text taken twice counts twice."""

    bytes: int = 0
    documents: int = 0


def sample_rates(factors: Mapping[str, float], train_bytes: Mapping[str, int], sample_bytes: int) -> dict[str, float]:
    """Return how often each text of each source is taken: in the proportion of the factors.

    The expected sample is `sample_bytes`, or less where that would take even the source of the smallest factor more
    than once: repeating all of them changes no merge.
    """
    weighted = sum(factor * train_bytes[source] for source, factor in factors.items())
    scale = min(sample_bytes / weighted if weighted else 0.0, 1 / min(factors.values()))
    return {source: factor * scale for source, factor in factors.items()}


def times_taken(text: bytes, rate: float, seed: int) -> int:
    """Return how often a text is taken: `rate` rounded up or down by a hash of its UTF-8, `rate` in expectation."""
    if rate % 1 == 0:
        return int(rate)
    key = seed.to_bytes(8, "little")
    digest = hashlib.blake2b(text, digest_size=8, key=key, person=b"alasin.bpe").digest()
    return int(rate) + (int.from_bytes(digest, "big") < (rate % 1) * 2**64)


def _taken(texts: pa.LargeBinaryArray, rate: float, seed: int) -> Iterator[tuple[int, pa.LargeBinaryArray]]:
    """Yield how often some texts are taken, and those."""
    if rate % 1 == 0:
        yield int(rate), texts
        return
    times = np.array([times_taken(text, rate, seed) for text in texts.to_pylist()], np.int64)
    for often in filter(None, np.unique(times).tolist()):
        yield often, texts.filter(pa.array(times == often))


def _bytes_of(texts: pa.LargeBinaryArray) -> int:
    return pc.sum(pc.binary_length(texts)).as_py() or 0


class WordCounter:
    """Counts the words of texts in bounded memory."""

    def __init__(self, word_bytes: int) -> None:
        """Hold distinct words of at most about `word_bytes`."""
        self._texts: dict[int, list[pa.LargeBinaryArray]] = {}
        self._size = 0
        self._chunks: list[pa.Table] = []
        self._chunk_bytes = 0
        self._words = Bounded(word_bytes)

    def add(self, texts: pa.LargeBinaryArray, times: int = 1) -> None:
        """Count the words of texts in UTF-8, together below 2 GiB, each text `times` times.

        Runs of 2 to 24 spaces, which have tokens of their own, part a text.
        """
        # Without the cuts merges would be spent on runs that no tokenizer ever meets.
        self._texts.setdefault(times, []).append(texts)
        self._size += _bytes_of(texts)
        if self._size >= BATCH_BYTES:
            self._count_texts()

    def result(self) -> tuple[pa.Table, Pruned]:
        """Return the words with their counts, and what was left out."""
        self._count_texts()
        self._count_chunks()
        return self._words.result()

    def _count_texts(self) -> None:
        for times, texts in self._texts.items():
            chunks = count_chunks(pa.concat_arrays(texts), apart=True)
            self._chunks.append(chunks.set_column(1, "count", pc.multiply(chunks["count"], times)))
            self._chunk_bytes += chunks.nbytes
        self._texts, self._size = {}, 0
        if self._chunk_bytes >= HELD_BYTES:
            self._chunks = [add_up(self._chunks)]
            self._chunk_bytes = self._chunks[0].nbytes
            # Half, so that adding up pays: it is done again when as much has come to it.
            if self._chunk_bytes >= HELD_BYTES // 2:
                self._count_chunks()

    def _count_chunks(self) -> None:
        if self._chunks:
            self._words.add(words_of(add_up(self._chunks)))
        self._chunks, self._chunk_bytes = [], 0


@dataclass(frozen=True)
class PartTask:
    """A part to be counted."""

    source: str
    manifest: Path
    part: dict[str, Any]
    rate: float
    seed: int
    word_bytes: int
    output: Path


def count_part(task: PartTask) -> None:
    """Count the words of a part into its file, unless that is there.

    Raises:
        UserError: the documents are damaged.
    """
    if task.output.exists():
        return
    give_memory_back()
    drawn, counter = Drawn(), WordCounter(task.word_bytes)
    for texts in part_texts(task.manifest, task.part):
        for times, taken in _taken(texts.utf8.cast(pa.large_binary()), task.rate, task.seed):
            drawn.documents += times * len(taken)
            drawn.bytes += times * _bytes_of(taken)
            counter.add(taken, times)
    words, pruned = counter.result()
    write_counts(task.output, words, {**vars(drawn), "pruned_words": pruned.words, "pruned_count": pruned.count})


def count_words(recipe: SampleSlice, manifests: Mapping[str, Path], output: Path, workers: int) -> dict[str, Any]:
    """Count the sample's words beside `output`, then write `output`; return that manifest. What is done is kept.

    Raises:
        UserError: the documents are damaged, or hold no train text.
    """
    give_memory_back()
    made_from = {
        "sample": recipe.model_dump(mode="json"),
        "documents": {source: text_digest(read_manifest(path)) for source, path in manifests.items()},
    }
    if output.exists() and (manifest := read_words(output))["made_from"] == made_from:
        return manifest
    if taken := take_over(made_from, output):
        return taken
    output.unlink(missing_ok=True)
    tasks = _part_tasks(recipe, manifests, output.parent / PARTS)
    for _ in map_in_processes(count_part, tasks, workers):
        pass
    drawn = {source: Drawn() for source in sorted(recipe.factors)}
    languages, pruned = _add_languages(recipe, tasks, drawn, output.parent)
    if not any(account.bytes for account in drawn.values()):
        total = sum(read_manifest(path)["splits"]["train"]["bytes"] for path in manifests.values())
        raise UserError(
            f"the sample of {', '.join(sorted(recipe.factors))} is empty: they have {total:,} bytes of train text and "
            f"sample_bytes is {recipe.sample_bytes:,}; add text or raise sample_bytes."
        )
    manifest = {
        "format": FORMAT,
        "made_from": made_from,
        "sample": {source: vars(account) for source, account in drawn.items()},
        "languages": languages,
        "pruned": vars(pruned),
    }
    write_json(output, manifest)
    shutil.rmtree(output.parent / PARTS)
    return manifest


def _part_tasks(recipe: SampleSlice, manifests: Mapping[str, Path], folder: Path) -> list[PartTask]:
    contents = {source: read_manifest(path) for source, path in manifests.items()}
    train_bytes = {source: content["splits"]["train"]["bytes"] for source, content in contents.items()}
    rates = sample_rates(recipe.factors, train_bytes, recipe.sample_bytes)
    tasks = []
    for source in sorted(rates):
        for part in contents[source]["splits"]["train"]["files"]:
            # In the name is all that decides what is counted: another sample's counts are never taken for this one's.
            decides = f"{documents_digest(part)} {rates[source].hex()} {recipe.seed} {recipe.word_bytes}"
            key = hashlib.sha256(decides.encode()).hexdigest()[:16]
            output = folder / source / f"{key}.arrow"
            tasks.append(
                PartTask(source, manifests[source], part, rates[source], recipe.seed, recipe.word_bytes, output)
            )
    return tasks


def _add_languages(
    recipe: SampleSlice, tasks: list[PartTask], drawn: dict[str, Drawn], folder: Path
) -> tuple[dict[str, Any], Pruned]:
    """Write a file of words for each language; return what the manifest says of them, and what was left out."""
    sizes, pruned = {}, Pruned()
    languages = sorted(set(recipe.languages.values()))
    for language in languages:
        words = Bounded(recipe.word_bytes)
        for task in tasks:
            if recipe.languages[task.source] == language:
                table, facts = read_counts(task.output)
                words.add(table)
                drawn[task.source].bytes += facts["bytes"]
                drawn[task.source].documents += facts["documents"]
                pruned += Pruned(facts["pruned_words"], facts["pruned_count"])
        table, lost = words.result()
        pruned += lost
        sizes[language] = word_bytes_of(table)
        write_counts(folder / PARTS / f"{language}.arrow", table, {})
    described = {}
    for language, budget in budgets(sizes, recipe.word_bytes).items():
        table, lost = prune(read_counts(folder / PARTS / f"{language}.arrow")[0], budget)
        pruned += lost
        if lost.words:
            write_counts(folder / PARTS / f"{language}.arrow", table, {})
        (folder / PARTS / f"{language}.arrow").replace(folder / f"{language}.arrow")
        described[language] = {
            **describe(folder / f"{language}.arrow"),
            "words": len(table),
            "count": pc.sum(table["count"]).as_py() or 0,
        }
    return described, pruned


def word_bytes_of(table: pa.Table) -> int:
    """Return the bytes of a table's words, one after the other."""
    return _bytes_of(table["word"])


def write_counts(path: Path, table: pa.Table, facts: Mapping[str, int]) -> None:
    """Write counts as an Arrow file, compressed, with facts in its metadata; whole or not at all."""
    schema = COUNTS.with_metadata({key: str(value) for key, value in facts.items()})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with atomic_file(path) as stream, pa.ipc.new_file(stream, schema, options=options) as writer:
        writer.write_table(table.cast(schema))


def read_counts(path: Path) -> tuple[pa.Table, dict[str, int]]:
    """Return counts and facts as `write_counts` wrote them.

    Raises:
        UserError: the file is absent or damaged.
    """
    try:
        with pa.memory_map(str(path)) as stream:
            table = pa.ipc.open_file(stream).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} is no file of counted words ({error}); delete it and run {COMMAND} again.") from None
    facts = {key.decode(): int(value) for key, value in (table.schema.metadata or {}).items()}
    return table.cast(COUNTS), facts


def read_words(path: Path) -> dict[str, Any]:
    """Read a manifest of counted words. Raises `UserError` if it is absent or something else."""
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or "languages" not in manifest:
        raise UserError(f"{path} is not a manifest of words of format {FORMAT}; delete it and run {COMMAND} again.")
    return manifest


def language_words(path: Path) -> Iterator[tuple[str, pa.Table]]:
    """Yield each language of a manifest of words, in the order of names, with its words; checks the files.

    Raises:
        UserError: the manifest is absent or of another format, or a file is not as it was written.
    """
    for language, entry in sorted(read_words(path)["languages"].items()):
        refuse_changed(path.parent, entry, f"delete {path} and run {COMMAND} again")
        yield language, read_counts(path.parent / entry["name"])[0]


def tell_pruned(manifest: Mapping[str, Any], word_bytes: int) -> str:
    """Return a sentence on the words that were left out; empty if none were."""
    pruned = manifest["pruned"]
    if not pruned["words"]:
        return ""
    total = pruned["count"] + sum(entry["count"] for entry in manifest["languages"].values())
    return (
        f"left out: {pruned['words']:,} of the rarest distinct words, {pruned['count'] / total:.3%} of the text's, to "
        f"hold {word_bytes:,} bytes of them; raise word_bytes to keep more."
    )


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Count the words of a sample of the sources' train texts."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the sample, from the recipe")
    parser.add_argument(
        "--documents", type=Path, nargs="+", required=True, metavar="MANIFEST", help="of each source's documents"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the words go beside it")
    arguments = parser.parse_args()
    recipe = read_slice(arguments.slice, SampleSlice)
    manifests = manifests_by_source(arguments.documents, recipe.factors, "the sample")
    manifest = count_words(recipe, manifests, arguments.output, arguments.workers)
    total = sum(account["bytes"] for account in manifest["sample"].values())
    for source, account in manifest["sample"].items():
        share = account["bytes"] / total
        print(f"{source}: {account['documents']:,} texts, {account['bytes'] / 1e6:,.2f} MB, {share:.1%} of the sample")
    for language, entry in manifest["languages"].items():
        print(f"{language}: {entry['words']:,} distinct words, {entry['count']:,} in the text")
    if sentence := tell_pruned(manifest, recipe.word_bytes):
        print(sentence)


if __name__ == "__main__":
    run_command(main)
