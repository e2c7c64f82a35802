"""Shards hold the ids of every document once, in order, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import corpus.tokens.shards
from common.errors import UserError
from common.files import read_json, sha256_of, write_json
from common.listed import describe
from corpus.sampling.documents import FORMAT as DOCUMENTS_FORMAT
from corpus.sampling.documents import SPLITS, split_texts
from corpus.sampling.sample import sample
from corpus.sampling.writing import Kept, atomic_documents
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.encoding import read_encoder
from corpus.tokens.ids import count_unigrams, open_shard, read_shards
from corpus.tokens.shards import make, share_out
from recipe.slices.types import SourceSlice, TokenizerSlice
from recipe.types import Engine
from tests.texts import WORDS

ROOT = Path(__file__).parents[3]


def text_of(number: int) -> str:
    words = [*WORDS, "[SEP]"]
    return f"{number} " + " ".join(words[(number + step * step) % len(words)] for step in range(number % 61))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six raw files of 200 documents, so six parts of the train split and some of the others."""
    folder = tmp_path_factory.mktemp("documents")
    files = []
    for part in range(6):
        files.append(folder / f"raw-{part}.jsonl")
        lines = [json.dumps({"text": text_of(200 * part + number)}) for number in range(200)]
        files[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = SourceSlice(name="one", seed=1, language="fi", files=list(map(str, files)), held_out=0.02)
    part_bytes = max(file.stat().st_size for file in files)
    sample(source, files, folder / "documents" / "manifest.json", workers=1, part_bytes=part_bytes)
    return folder / "documents" / "manifest.json"


def write_tokenizer(directory: Path, documents: Path, multiple: int = 64) -> Path:
    recipe = TokenizerSlice(
        name="small",
        seed=1,
        vocabulary=400,
        multiple=multiple,
        sample_bytes=10**6,
        factors={"one": 1.0},
        languages={"one": "fi"},
    )
    make_tokenizer(recipe, {"one": documents}, directory / "manifest.json")
    return directory / "tokenizer.json"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"), documents)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, documents: Path, tokenizer: Path) -> Path:
    output = tmp_path_factory.mktemp("shards") / "made" / "manifest.json"
    make(documents, tokenizer, output, "tokie", workers=2)
    return output


def checksums(manifest: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in manifest.parent.iterdir()}


@pytest.mark.parametrize("split", SPLITS)
def test_ids_and_words_of_every_document_stand_once_in_order(
    made: Path, documents: Path, tokenizer: Path, split: str
) -> None:
    texts = list(split_texts(documents, split))
    wanted = [ids.tolist() for _, ids in read_encoder(tokenizer, "tokenizers").encode(texts)]
    shards = [open_shard(made.parent / entry["name"]) for entry in read_shards(made)["splits"][split]["files"]]
    stored = [ids.tolist() for shard in shards for ids in np.split(shard.ids, shard.ends[:-1])]
    assert stored == wanted
    assert [count for shard in shards for count in shard.counts] == list(map(len, wanted))
    assert [words for shard in shards for words in shard.words] == [len(text.split()) for text in texts]
    assert count_unigrams(made, split).tolist() == np.bincount(np.concatenate(wanted), minlength=448).tolist()
    told = read_shards(made)["splits"][split]
    assert (told["documents"], told["ids"]) == (len(texts), sum(map(len, wanted)))
    assert told["text_bytes"] == sum(len(text.encode()) for text in texts)


@pytest.mark.parametrize(("engine", "workers"), [("tokenizers", 1), ("tokie", 1), ("tokie", 9)])
def test_the_same_bytes_with_any_number_of_processes_and_any_engine(
    made: Path, documents: Path, tokenizer: Path, tmp_path: Path, engine: Engine, workers: int
) -> None:
    output = tmp_path / "own" / "manifest.json"
    make(documents, tokenizer, output, engine, workers)
    assert checksums(output) == checksums(made)


@pytest.mark.parametrize(
    ("sizes", "workers", "wanted"),
    [
        ([], 8, (1, 8)),
        ([100, 1, 1], 1, (1, 1)),
        ([100, 1, 1], 8, (1, 8)),
        ([100] * 3, 128, (3, 43)),
        ([100] * 500 + [1, 1], 128, (128, 1)),
        ([256, 200, 10], 2, (2, 1)),
    ],
)
def test_no_core_is_left_over_however_few_parts_there_are(
    sizes: list[int], workers: int, wanted: tuple[int, int]
) -> None:
    assert share_out(sizes, workers) == wanted


def test_killed_again_and_again_it_keeps_what_is_finished_and_ends_with_the_same_bytes(
    made: Path, documents: Path, tokenizer: Path, tmp_path: Path
) -> None:
    output = tmp_path / "shards" / "manifest.json"
    command = [sys.executable, "-m", "corpus.tokens.shards", "--documents", documents, "--tokenizer", tokenizer]
    finished: dict[Path, int] = {}
    for _ in range(3):
        process = subprocess.Popen([*command, "--output", output], cwd=ROOT)
        while process.poll() is None and len(list(output.parent.glob("*.ids"))) < len(finished) + 2:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert all(path.stat().st_mtime_ns == when for path, when in finished.items()), "a finished shard was remade"
        finished = {
            path.with_suffix(".ids"): path.with_suffix(".ids").stat().st_mtime_ns
            for path in output.parent.glob("*.json")
            if path.name != "manifest.json"
        }
    assert subprocess.run([*command, "--output", output], cwd=ROOT, check=False).returncode == 0
    assert all(path.stat().st_mtime_ns == when for path, when in finished.items())
    assert checksums(output) == checksums(made)


def test_a_damaged_or_missing_shard_and_one_of_other_documents_are_made_again(
    made: Path, documents: Path, tokenizer: Path, tmp_path: Path
) -> None:
    output = tmp_path / "own" / "manifest.json"
    make(documents, tokenizer, output, "tokie", workers=1)
    (output.parent / "train-00000.ids").unlink()
    os.truncate(output.parent / "train-00001.ids", 100)
    record = read_json(output.parent / "train-00002.json")
    write_json(output.parent / "train-00002.json", {**record, "documents_sha256": "of others"})
    (output.parent / "train-00077.ids").write_bytes(b"of a part that is no more")
    (output.parent / ".train-00003.ids.12.part").write_bytes(b"of a kill")
    make(documents, tokenizer, output, "tokie", workers=1)
    assert checksums(output) == checksums(made)


def test_a_wide_vocabulary_is_stored_in_32_bits(documents: Path, tmp_path: Path) -> None:
    wide = write_tokenizer(tmp_path / "wide", documents, multiple=100_000)
    make(documents, wide, tmp_path / "shards" / "manifest.json", "tokie", workers=1)
    assert open_shard(tmp_path / "shards" / "train-00000.ids").ids.dtype == np.uint32


def test_an_engine_that_errs_stops_the_stage_with_the_document(
    documents: Path, tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = corpus.tokens.encoding.open_engine

    def wrong(content: str, name: Engine, threads: bool):
        encode = right(content, name, threads)
        return encode if name == "tokenizers" else lambda texts: (encode(texts)[0] ^ 1, encode(texts)[1])

    monkeypatch.setattr(corpus.tokens.encoding, "open_engine", wrong)
    with pytest.raises(UserError, match=r"document 0 .from 0. of .*train-0000\d\.parquet .* `engine: tokenizers`"):
        make(documents, tokenizer, tmp_path / "own" / "manifest.json", "tokie", workers=1)
    assert not (tmp_path / "own" / "manifest.json").exists()


def test_a_changed_part_and_a_foreign_manifest_are_told(documents: Path, tokenizer: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", {"format": 1})
    with pytest.raises(UserError, match="not a manifest of token shards of format 2"):
        read_shards(tmp_path / "manifest.json")
    with pytest.raises(UserError, match="not a manifest of documents"):
        make(tmp_path / "manifest.json", tokenizer, tmp_path / "out" / "manifest.json", "tokie", workers=1)


def test_a_full_disk_is_told_with_the_file_and_keeps_the_shards_that_are_finished(
    made: Path, documents: Path, tokenizer: Path, small_disk: Path
) -> None:
    command = [sys.executable, "-m", "corpus.tokens.shards", "--documents", documents, "--tokenizer", tokenizer]
    command += ["--output", small_disk / "manifest.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: No space left on device ({small_disk}/")
    assert done.stderr.endswith("). Free some space there and run the same command again.\n")
    left = {path.name for path in small_disk.iterdir()}
    assert left
    for name in left:
        assert (small_disk / name).read_bytes() == (made.parent / name).read_bytes()


def test_a_source_of_one_document_and_a_split_without_any(tokenizer: Path, tmp_path: Path) -> None:
    part = tmp_path / "documents" / "validation-00000.parquet"
    with atomic_documents(part) as writer:
        writer.write(Kept(["0"], [text_of(40).encode()], [None], np.array([41], np.uint32)))
    none: dict[str, object] = {"documents": 0, "bytes": 0, "words": 0, "files": []}
    one = {**none, "files": [{**describe(part), "documents": 1, "text_bytes": 300, "words": 41}]}
    splits = {"train": none, "validation": one, "test": none}
    content = {"format": DOCUMENTS_FORMAT, "source": "one", "language": "fi", "splits": splits}
    write_json(part.with_name("manifest.json"), content)
    output = tmp_path / "shards" / "manifest.json"
    for workers in (1, 8):
        shards = make(part.with_name("manifest.json"), tokenizer, output, "tokie", workers)["splits"]
        assert [shards[split]["documents"] for split in SPLITS] == [0, 1, 0]
        assert shards["validation"]["words"] == 41
