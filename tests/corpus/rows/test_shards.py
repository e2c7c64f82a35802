"""From documents to packed rows on disk and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard

import corpus.rows.shards
import corpus.rows.store
from common.errors import UserError
from common.files import read_json
from corpus.rows.shards import ShardPlan, Totals, make, packed_batches
from corpus.rows.store import BATCH_ROWS, RowReader, read_unigram, verify
from corpus.sampling.documents import split_texts
from corpus.sampling.sample import sample
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.encoding import read_encoder
from corpus.tokens.special import CLS, SEP
from recipe.slices.types import SourceSlice, TokenizerSlice

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
WORDS = [
    "alku",
    "on",
    "aina",
    "hankala",
    "mutta",
    "lopussa",
    "kiitos",
    "seisoo",
    "työ",
    "tekijäänsä",
    "opettaa",
    "vähän",
]


def text_of(number: int, words: int) -> str:
    return f"{number} " + " ".join(WORDS[(number + step * step) % len(WORDS)] for step in range(words - 1))


def write_documents(directory: Path, texts: list[str], held_out: float = 0.0) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    raw = directory / "raw.jsonl"
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    source = SourceSlice(name="one", seed=1, language="fi", files=[str(raw)], held_out=held_out)
    sample(source, [raw], directory / "documents" / "manifest.json", workers=1)
    return directory / "documents" / "manifest.json"


def write_tokenizer(directory: Path, documents: Path, vocabulary: int = 400, multiple: int = 64) -> Path:
    recipe = TokenizerSlice(
        name="small",
        seed=1,
        vocabulary=vocabulary,
        multiple=multiple,
        sample_bytes=10**6,
        factors={"one": 1.0},
        languages={"one": "fi"},
    )
    make_tokenizer(recipe, {"one": documents}, directory / "manifest.json")
    return directory / "tokenizer.json"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text_of(number, 1 + number * number % 97) for number in range(3000)]
    return write_documents(tmp_path_factory.mktemp("documents"), texts)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"), documents)


@pytest.fixture
def made(tmp_path: Path, documents: Path, tokenizer: Path) -> Path:
    make(ShardPlan("train", 64), documents, tokenizer, tmp_path / "64" / "index.json")
    return tmp_path / "64" / "index.json"


def pieces_of(reader: RowReader) -> list[tuple[int, ...]]:
    pieces = []
    for row in range(reader.rows):
        tokens, lengths = reader.row(row)
        assert len(tokens) == lengths.sum() <= reader.length
        pieces += [tuple(piece.tolist()) for piece in np.split(tokens, np.cumsum(lengths)[:-1])]
    return pieces


def refuse_lost_tokens(index_path: Path, documents: Path, tokenizer: Path, split: str = "train") -> None:
    """Fail unless the rows hold each token of the documents as often as they do, in pieces that occur in them."""
    pieces = [piece[1:-1] for piece in pieces_of(RowReader(index_path)) if piece[0] == CLS and piece[-1] == SEP]
    assert len(pieces) == read_json(index_path)["pieces"], "every piece begins with [CLS] and ends with [SEP]"
    assert all(piece and min(piece) > SEP for piece in pieces)
    written = ["".join(map(chr, piece)) for piece in pieces]
    read = ["".join(map(chr, ids)) for _, ids in read_encoder(tokenizer).encode(split_texts(documents, split))]
    assert Counter(chain.from_iterable(written)) == Counter(chain.from_iterable(read))
    unmatched = set(written) - set(read)
    everything = chr(SEP).join(read)
    assert all(piece in everything for piece in unmatched)


def test_numbered_tokens_are_each_written_once_in_pieces_of_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus.rows.shards, "WINDOW_TOKENS", 1)
    counts = [(number * number) % 173 for number in range(60_000)]
    ends = np.cumsum(counts) + 5
    documents = [("", np.arange(end - count, end, dtype=np.uint32)) for count, end in zip(counts, ends, strict=True)]
    totals = Totals(np.zeros(ends[-1], dtype=np.int64))
    batches = list(packed_batches(ShardPlan("train", 100), b"key", iter(documents), np.uint32, totals))
    assert [batch.rows for batch in batches[:-1]] == [BATCH_ROWS] * (len(batches) - 1)
    assert len(batches) > 40
    assert totals.unigram[5:].tolist() == [1] * sum(counts)
    for batch in batches:
        for piece in np.split(batch.tokens, np.cumsum(batch.lengths)[:-1]):
            content = piece[1:-1].astype(np.int64)
            assert (piece[0], piece[-1]) == (CLS, SEP)
            assert content.tolist() == list(range(content[0], content[-1] + 1))
            assert np.searchsorted(ends, content[0], "right") == np.searchsorted(ends, content[-1], "right")
    assert totals.tokens / (totals.rows * 100) > 0.99


@pytest.mark.parametrize("length", [16, 64, 1024])
def test_every_token_of_every_document_is_in_exactly_one_row(
    tmp_path: Path, documents: Path, tokenizer: Path, length: int
) -> None:
    index = make(ShardPlan("train", length), documents, tokenizer, tmp_path / "index.json")
    refuse_lost_tokens(tmp_path / "index.json", documents, tokenizer)
    assert index["documents"] == 3000
    assert index["fill"] > 0.98


def test_real_text_is_kept_whole_and_fills_the_rows(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent")
    lines = zstandard.ZstdDecompressor().stream_reader((DATA / "fi-libreoffice-help.jsonl.zst").open("rb")).read()
    texts = [json.loads(line)["text"] for line in lines.decode().split("\n")[:500] if line]
    documents = write_documents(tmp_path / "one", [*texts, "[MASK] [SEP] " * 20], held_out=0.1)
    tokenizer = write_tokenizer(tmp_path / "tokenizer", documents, vocabulary=2000)
    for split in ("train", "validation"):
        make(ShardPlan(split, 128), documents, tokenizer, tmp_path / split / "index.json")
        refuse_lost_tokens(tmp_path / split / "index.json", documents, tokenizer, split)
    assert read_json(tmp_path / "train" / "index.json")["fill"] >= 0.99


def test_windows_carry_what_fills_no_batch_and_lose_nothing(
    tmp_path: Path, documents: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus.rows.shards, "WINDOW_TOKENS", 1)
    monkeypatch.setattr(corpus.rows.shards, "WINDOW_ROWS", 70)
    monkeypatch.setattr(corpus.rows.shards, "BATCH_ROWS", 32)
    monkeypatch.setattr(corpus.rows.store, "BATCH_ROWS", 32)
    monkeypatch.setattr(corpus.rows.store, "FILE_ROWS", 128)
    index = make(ShardPlan("train", 64), documents, tokenizer, tmp_path / "index.json")
    refuse_lost_tokens(tmp_path / "index.json", documents, tokenizer)
    assert [file["rows"] for file in index["files"][:-1]] == [128] * (index["rows"] // 128)
    assert index["rows"] > 10 * 128
    assert index["fill"] > 0.99
    verify(tmp_path / "index.json")


def test_the_index_counts_rows_tokens_pieces_and_cut_documents(made: Path, documents: Path, tokenizer: Path) -> None:
    index = read_json(made)
    lengths = [len(ids) for _, ids in read_encoder(tokenizer).encode(split_texts(documents, "train"))]
    assert index["pieces"] == len(pieces_of(RowReader(made)))
    assert index["tokens"] == sum(lengths) + 2 * index["pieces"]
    assert index["fill"] == index["tokens"] / (index["rows"] * 64)
    assert sum(length > 62 for length in lengths) <= index["cut_documents"] < len(lengths)
    assert (index["source"], index["language"], index["split"], index["dtype"]) == ("one", "fi", "train", "uint16")
    assert index["tokenizer"] == read_json(tokenizer.with_name("manifest.json"))["fingerprint"]


def test_unigram_counts_each_content_id(made: Path) -> None:
    tokens = np.concatenate([RowReader(made).row(row)[0] for row in range(read_json(made)["rows"])])
    counts = np.bincount(tokens, minlength=448)
    counts[[CLS, SEP]] = 0
    assert read_unigram(made).tolist() == counts.tolist()
    assert read_unigram(made).dtype == np.int64


def test_files_are_arrow_with_batches_of_1024_rows_and_mapped_without_copy(made: Path) -> None:
    reader = RowReader(made)
    table = pa.ipc.open_file(pa.memory_map(str(made.parent / "rows-00000.arrow")))
    rows = [table.get_batch(number).num_rows for number in range(table.num_record_batches)]
    assert reader.rows > 1024
    assert rows == [1024] * (reader.rows // 1024) + [reader.rows % 1024]
    assert table.schema.names == ["tokens", "lengths"]
    tokens, lengths = reader.row(1030)
    assert tokens.tolist() == table.get_batch(1).column(0)[6].as_py()
    assert lengths.tolist() == table.get_batch(1).column(1)[6].as_py()
    assert reader.row_tokens(1030) == len(tokens)
    assert (tokens.dtype, lengths.dtype) == (np.uint16, np.uint16)
    assert not tokens.flags.owndata
    assert not tokens.flags.writeable


def test_rows_lie_in_no_order_of_documents_or_fill(made: Path) -> None:
    reader = RowReader(made)
    fills = [reader.row_tokens(row) for row in range(reader.rows)]
    assert fills != sorted(fills)
    assert fills != sorted(fills, reverse=True)
    longest = [int(reader.row(row)[1].max()) for row in range(reader.rows)]
    assert abs(np.corrcoef(np.arange(reader.rows), longest)[0, 1]) < 0.1


def test_a_wide_vocabulary_is_stored_in_32_bits(tmp_path: Path, documents: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer", documents, multiple=65_537)
    index = make(ShardPlan("train", 64), documents, tokenizer, tmp_path / "index.json")
    assert index["dtype"] == "uint32"
    assert RowReader(tmp_path / "index.json").row(0)[0].dtype == np.uint32
    refuse_lost_tokens(tmp_path / "index.json", documents, tokenizer)


def test_word_bins_part_the_documents(tmp_path: Path, documents: Path, tokenizer: Path) -> None:
    bins = [(0, 10), (10, 50), (50, None)]
    counted = [
        make(ShardPlan("train", 64, low, high), documents, tokenizer, tmp_path / str(low) / "index.json")["documents"]
        for low, high in bins
    ]
    words = [len(text.split()) for text in split_texts(documents, "train")]
    assert counted == [sum(low <= many and (high is None or many < high) for many in words) for low, high in bins]


def test_a_split_without_documents_gives_no_rows_and_no_files(tmp_path: Path, documents: Path, tokenizer: Path) -> None:
    index = make(ShardPlan("test", 64), documents, tokenizer, tmp_path / "index.json")
    assert (index["rows"], index["files"], index["fill"]) == (0, [], 0.0)
    assert not read_unigram(tmp_path / "index.json").any()
    assert RowReader(tmp_path / "index.json").rows == 0
    verify(tmp_path / "index.json")


def test_a_row_outside_the_range_is_an_index_error(made: Path) -> None:
    reader = RowReader(made)
    for row in (-1, reader.rows):
        with pytest.raises(IndexError):
            reader.row(row)


def test_a_flipped_byte_is_found_by_verify_with_the_file_and_the_stage_named(made: Path) -> None:
    path = made.parent / "rows-00000.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"rows-00000\.arrow .*delete .*index\.json and run python -m corpus\.rows\.shards"
    ):
        verify(made)
    with pytest.raises(UserError, match="lists no file rows-9"):
        verify(made, ["rows-9"])
    verify(made, ["unigram.npy"])


def test_a_truncated_or_missing_file_is_refused_at_opening(made: Path) -> None:
    path = made.parent / "rows-00000.arrow"
    with path.open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(UserError, match=r"rows-00000\.arrow has 1000 bytes"):
        RowReader(made)
    path.unlink()
    with pytest.raises(UserError, match=r"rows-00000\.arrow is missing"):
        RowReader(made)


def test_a_damaged_arrow_footer_is_an_error_that_names_the_file(made: Path) -> None:
    path = made.parent / "rows-00000.arrow"
    content = path.read_bytes()
    path.write_bytes(content[:-40] + bytes(40))
    with pytest.raises(UserError, match=r"rows-00000\.arrow is damaged"):
        RowReader(made).row(0)


def command(documents: Path, tokenizer: Path, output: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "corpus.rows.shards", "--documents", str(documents), "--tokenizer", str(tokenizer)),
        *("--split", "train", "--length", "64", "--output", str(output), *more),
    ]


def files_below(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_any_number_of_threads_gives_the_same_bytes(tmp_path: Path, documents: Path, tokenizer: Path) -> None:
    for threads in ("1", "3"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads}
        subprocess.run(
            command(documents, tokenizer, tmp_path / threads / "index.json"), cwd=ROOT, env=environment, check=True
        )
    assert files_below(tmp_path / "1") == files_below(tmp_path / "3")


def test_after_a_kill_in_the_middle_the_next_run_ends_with_the_same_bytes(
    tmp_path: Path, made: Path, documents: Path, tokenizer: Path
) -> None:
    output = tmp_path / "killed" / "index.json"
    slowly = (
        "import sys, time, corpus.rows.shards as shards\n"
        "join = shards.join_pieces\n"
        "def slow(*given):\n"
        "    slow.batches += 1\n"
        "    time.sleep(600 if slow.batches == 2 else 0)\n"
        "    return join(*given)\n"
        "slow.batches = 0\n"
        "shards.join_pieces = slow\n"
        "shards.main()\n"
    )
    run = subprocess.Popen([sys.executable, "-c", slowly, *command(documents, tokenizer, output)[3:]], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not list(output.parent.glob(".rows-*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert list(output.parent.glob(".rows-*.part")), "it was killed while it wrote"
    assert not output.exists()
    subprocess.run(command(documents, tokenizer, output), cwd=ROOT, check=True)
    assert files_below(output.parent) == files_below(made.parent)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--length", "7"], "--length is 7; give 8 to 65,535"),
        (["--min-words", "5", "--max-words", "5"], "leaves no document"),
        (["--tokenizer", "/nowhere/tokenizer.json"], "/nowhere/manifest.json does not exist"),
    ],
)
def test_a_mistake_of_the_user_is_one_sentence(
    tmp_path: Path, documents: Path, tokenizer: Path, more: list[str], message: str
) -> None:
    run: Any = subprocess.run(
        command(documents, tokenizer, tmp_path / "index.json", *more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr
