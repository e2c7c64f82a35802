"""An index over token shards: every token of every document in one row, remade only when its shards are others."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import weakref
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import corpus.rows.index
from common.columns import write_columns
from common.errors import UserError
from common.files import read_json, sha256_of, write_json
from corpus.rows.index import Result, Task, make, pack_shard
from corpus.rows.store import RowReader, verify
from corpus.sampling.documents import split_texts
from corpus.sampling.sample import sample
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.encoding import read_encoder
from corpus.tokens.shards import make as make_shards
from corpus.tokens.special import CLS, FIRST_ORDINARY, SEP
from recipe.needs import Rows
from recipe.schema import WordBin
from recipe.slices.files import to_json
from recipe.slices.rowsets import rowset
from recipe.slices.types import RowsSlice, SourceSlice, TokenizerSlice

ROOT = Path(__file__).parents[3]
WORDS = ["alku", "on", "aina", "hankala", "lopussa", "kiitos", "seisoo", "työ", "opettaa", "vähän", "[SEP]"]
BINS = [
    WordBin(min_words=0, max_words=20, share=1),
    WordBin(min_words=20, max_words=50, share=1),
    WordBin(min_words=50, share=1),
]


class House:
    """Documents of one source in four parts, a tokenizer, its shards, and room for rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = []
        for part in range(4):
            files.append(folder / f"raw-{part}.jsonl")
            texts = (self.text(700 * part + number) for number in range(700))
            files[-1].write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        self.documents = folder / "corpus" / "one" / "manifest.json"
        source = SourceSlice(name="one", seed=1, language="fi", files=list(map(str, files)), held_out=0.02)
        sample(source, files, self.documents, workers=1, part_bytes=max(file.stat().st_size for file in files))
        tokenizer = TokenizerSlice(
            name="t",
            seed=1,
            vocabulary=400,
            multiple=64,
            sample_bytes=10**6,
            factors={"one": 1},
            languages={"one": "fi"},
        )
        self.tokenizer = folder / "tokenizers" / "t" / "manifest.json"
        make_tokenizer(tokenizer, {"one": self.documents}, self.tokenizer)
        self.shards = folder / "shards" / "t" / "one" / "manifest.json"
        make_shards(self.documents, self.tokenizer, self.shards, "tokie", workers=1)

    @staticmethod
    def text(number: int) -> str:
        return f"{number} " + " ".join(WORDS[(number + step * step) % len(WORDS)] for step in range(number % 97))

    def rows(self, name: str, split: str = "train", folder: str = "rows", workers: int = 1) -> Path:
        """Make a set of rows and return its index."""
        (made,) = make([Rows("t", "one", split, name)], self.folder / "shards", self.folder / folder, workers)
        return made.index


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"))


def pieces_of(index: Path) -> list[tuple[int, ...]]:
    """Return the ids of every piece of every row, without its [CLS] and [SEP]."""
    reader, pieces = RowReader(index), []
    for row in range(reader.rows):
        tokens, sizes = reader.row(row)
        assert len(tokens) == sizes.sum() == reader.row_tokens(row) <= reader.length
        parts = np.split(tokens, np.cumsum(sizes)[:-1])
        assert all((part[0], part[-1]) == (CLS, SEP) for part in parts)
        pieces += [tuple(part[1:-1].tolist()) for part in parts]
    return pieces


def ids_of(house: House, split: str) -> list[tuple[int, ...]]:
    texts = split_texts(house.documents, split)
    return [tuple(ids.tolist()) for _, ids in read_encoder(house.tokenizer, "tokenizers").encode(texts)]


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("length", [16, 64, 4096])
def test_every_token_of_every_document_is_in_exactly_one_row(house: House, length: int, split: str) -> None:
    pieces, documents = pieces_of(house.rows(str(length), split)), ids_of(house, split)
    assert Counter(chain.from_iterable(pieces)) == Counter(chain.from_iterable(documents))
    assert all(piece and min(piece) >= FIRST_ORDINARY for piece in pieces)
    whole = Counter(document for document in documents if 0 < len(document) <= length - 2)
    assert whole <= Counter(pieces), "a document that fits a row is a piece"
    index = read_json(house.rows(str(length), split))
    assert index["pieces"] == len(pieces) == sum(-(-len(document) // (length - 2)) for document in documents)
    assert index["cut_documents"] == sum(len(document) > length - 2 for document in documents)
    assert index["tokens"] == sum(map(len, pieces)) + 2 * len(pieces)
    assert index["fill"] == index["tokens"] / (index["rows"] * length)
    assert index["documents"] == len(documents)


def test_word_bins_part_the_documents(house: House) -> None:
    binned = [pieces_of(house.rows(rowset(64, word_bin))) for word_bin in BINS]
    assert all(binned)
    assert Counter(chain(*binned)) == Counter(pieces_of(house.rows("64")))
    counted = [read_json(house.rows(rowset(64, word_bin)))["documents"] for word_bin in BINS]
    words = [len(text.split()) for text in split_texts(house.documents, "train")]
    assert counted == [sum(least <= count < most for count in words) for least, most in ((0, 20), (20, 50), (50, 999))]


def test_the_same_bytes_with_any_number_of_processes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.rows.index.DOCUMENTS_A_PROCESS", 1)
    one, three = (house.rows("64", folder=str(workers), workers=workers) for workers in (1, 3))
    for path in one.parent.iterdir():
        assert path.read_bytes() == (three.parent / path.name).read_bytes()


def test_what_is_there_is_kept_until_its_shards_change_or_its_file_is_gone(house: House) -> None:
    index = house.rows("32")
    made, when = index.read_bytes(), index.stat().st_mtime_ns
    assert house.rows("32").stat().st_mtime_ns == when
    for harm in (
        lambda: index.with_name("rows.columns").unlink(),
        lambda: os.truncate(index.with_name("rows.columns"), 10),
        lambda: write_json(index, {**read_json(index), "shards_sha256": "of others"}),
        lambda: write_json(index, {**read_json(index), "format": 1}),
        index.unlink,
    ):
        harm()
        assert house.rows("32").read_bytes() == made
        verify(index)


@pytest.mark.parametrize("which", [0, 2])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_found_by_verify_and_named(tmp_path: Path, which: int, harm: str) -> None:
    house = House(tmp_path)
    index = house.rows("64")
    reader = RowReader(index)
    directory, entry = list(reader.files([(0, reader.rows)]))[which]
    path = directory / entry["name"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if harm == "remove" else path.write_bytes(content if harm == "flip" else content[:-1])
    with pytest.raises(UserError, match=rf"{path.name} .*python -m corpus\.rows\.index again"):
        verify(index)


def test_an_empty_split_gives_an_index_without_rows(house: House) -> None:
    index = house.rows("64-words-5000-")
    assert RowReader(index).rows == 0
    assert (read_json(index)["documents"], read_json(index)["fill"]) == (0, 0.0)
    verify(index)


def test_a_row_outside_the_range_is_an_index_error(house: House) -> None:
    reader = RowReader(house.rows("64"))
    for row in (-1, reader.rows):
        with pytest.raises(IndexError, match=f"row {row} of {reader.rows}"):
            reader.row(row)


def test_an_index_of_another_format_and_a_row_that_is_too_long_are_told(house: House, tmp_path: Path) -> None:
    write_json(tmp_path / "index.json", {"format": 1})
    with pytest.raises(UserError, match="not an index of rows of format 2"):
        RowReader(tmp_path / "index.json")
    with pytest.raises(UserError, match="rows of 65536 slots cannot be made"):
        house.rows("65536")


def test_a_thousand_sets_of_rows_are_read_with_few_open_files(house: House) -> None:
    indexes = [house.rows(str(length)) for length in range(16, 416)]
    program = (
        "import sys\nfrom pathlib import Path\nfrom corpus.rows.store import RowReader\n"
        "readers = [RowReader(Path(path)) for path in sys.argv[1:]] * 3\n"
        "print(sum(int(reader.row(row % reader.rows)[0].sum()) for row in range(3) for reader in readers))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, indexes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_the_stage_lists_what_it_made_with_checksums(house: House, tmp_path: Path) -> None:
    slice_path = tmp_path / "rows.json"
    wanted = RowsSlice(tokenizer="t", split="validation", rowsets={"one": ["64", "32"]})
    slice_path.write_text(to_json(wanted), encoding="utf-8")
    output = house.folder / "runs" / "rows.json"
    command = [sys.executable, "-m", "corpus.rows.index", "--slice", slice_path, "--output", output]
    command += ["--shards", house.folder / "shards", "--rows", house.folder / "rows"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = read_json(output)["sets"]
    assert [(one["source"], one["split"], one["rowset"]) for one in listed] == [
        ("one", "validation", "64"),
        ("one", "validation", "32"),
    ]
    for one in listed:
        assert sha256_of(output.parent / one["index"]) == one["sha256"]
        assert RowReader(output.parent / one["index"]).rows == one["rows"] > 0


def test_one_packed_shard_is_in_memory_at_a_time(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[np.ndarray]] = []

    def watched(task: Task) -> Result:
        assert sum(one() is not None for one in made) <= 1, "the one before may still be written"
        result = pack_shard(task)
        made.append(weakref.ref(result.packed.pieces.start))
        return result

    monkeypatch.setattr(corpus.rows.index, "pack_shard", watched)
    make([Rows("t", "one", "train", "64")], house.folder / "shards", tmp_path, workers=1)
    assert len(made) == 4


def test_jobs_that_make_the_same_set_at_once_do_not_take_it_from_each_other(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, shards = [Rows("t", "one", "train", "64")], house.folder / "shards"
    index = tmp_path / "t" / "one" / "train" / "64" / "index.json"
    there: list[bool] = []

    def packs_while_another_finishes(task: Task) -> Result:
        if not there:
            with monkeypatch.context() as undisturbed:
                undisturbed.setattr(corpus.rows.index, "pack_shard", pack_shard)
                make(wanted, shards, tmp_path, workers=1)
        there.append(index.exists())
        return pack_shard(task)

    def write_and_look(*arguments: Any) -> None:
        write_columns(*arguments)
        there.append(index.exists())

    monkeypatch.setattr(corpus.rows.index, "pack_shard", packs_while_another_finishes)
    monkeypatch.setattr(corpus.rows.index, "write_columns", write_and_look)
    make(wanted, shards, tmp_path, workers=1)
    assert there == [False] + [True] * 5, "the other's own rows are written first, then ours over them"
    verify(index)


def test_killed_at_any_moment_it_makes_the_same_rows_in_the_end(house: House, tmp_path: Path) -> None:
    slice_path = tmp_path / "rows.json"
    wanted = RowsSlice(tokenizer="t", split="train", rowsets={"one": ["64", "32"]})
    slice_path.write_text(to_json(wanted), encoding="utf-8")
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"

    def run(folder: Path, kill_at: int | None) -> int:
        """Run the stage; kill it when it opens, renames or removes something for the so-manieth time."""
        options = ["--slice", slice_path, "--shards", house.folder / "shards", "--rows", folder / "rows"]
        program = (
            "import os, signal, sys\n"
            "from corpus.rows.index import main\n"
            "left = [int(sys.argv.pop(1))]\n"
            "def count(event, arguments):\n"
            f"    if event in ('open', 'os.rename', 'os.remove') and {str(folder)!r} in str(arguments[0]):\n"
            "        left[0] -= 1\n"
            "        left[0] or os.kill(os.getpid(), signal.SIGKILL)\n"
            "sys.addaudithook(count)\n"
            "main()\n"
        )
        command = [sys.executable, "-c", program, str(kill_at or -1), *options, "--output", folder / "rows.json"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode

    assert run(undisturbed, None) == 0
    runs = 0
    while run(killed, 3 + 2 * runs) != 0:
        runs += 1
        assert runs < 40, "it gets further each time"
    assert runs > 4
    files = [{path.relative_to(folder) for path in folder.rglob("*")} for folder in (undisturbed, killed)]
    assert files[0] == {file for file in files[1] if not file.name.endswith(".part")}
    for file in files[0]:
        if (undisturbed / file).is_file():
            assert (undisturbed / file).read_bytes() == (killed / file).read_bytes(), file


def test_a_full_disk_is_told_with_the_file_and_leaves_no_index(house: House, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(50_000))
    with pytest.raises(OSError, match="No space left") as told:
        make([Rows("t", "one", "train", "64")], house.folder / "shards", small_disk / "rows", workers=1)
    assert told.value.filename == str(small_disk / "rows" / "t" / "one" / "train" / "64" / "rows.columns")
    assert not [path for path in (small_disk / "rows").rglob("*") if path.is_file()]
