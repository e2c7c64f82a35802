"""Parts: they add up to the whole, finished ones survive whatever happens, and no damage passes unseen."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from common.errors import UserError
from common.files import read_json
from corpus.sampling.documents import SPLITS, part_texts, read_manifest
from corpus.sampling.sample import sample
from recipe.slices.types import SourceSlice

ROOT = Path(__file__).parents[3]
COUNT = 600
FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet", "frames.jsonl.zst")


def source(**settings):
    return SourceSlice(**{"name": "x", "seed": 1, "language": "fi", "files": ["unused"], "held_out": 0.1, **settings})


def texts_of_input(count=COUNT):
    chance = random.Random(1)
    return [f"{n} " + " ".join(str(chance.random()) for _ in range(chance.randrange(30))) for n in range(count)]


def write_input(path, texts=None):
    """Write texts in the format that the name says; a `.frames.jsonl.zst` has frames that end within lines."""
    texts = texts_of_input() if texts is None else texts
    lines = b"".join(json.dumps({"id": str(n), "text": text}).encode() + b"\n" for n, text in enumerate(texts))
    if path.name.endswith(".frames.jsonl.zst"):
        path.write_bytes(b"".join(zstandard.compress(lines[n : n + 5000]) for n in range(0, len(lines), 5000)))
    elif path.name.endswith(".jsonl.zst"):
        path.write_bytes(zstandard.compress(lines))
    elif path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(lines))
    elif path.name.endswith(".parquet"):
        pq.write_table(pa.table({"text": texts}), path, row_group_size=50)
    else:
        path.write_bytes(lines)
    return path


def documents_of(manifest):
    splits = read_manifest(manifest)["splits"]
    return {
        split: [
            document
            for part in splits[split]["files"]
            for texts in part_texts(manifest, part)
            for document in zip(texts.strings(), texts.words.tolist(), strict=True)
        ]
        for split in SPLITS
    }


def account_of(manifest):
    account = read_json(manifest)
    for split in SPLITS:
        del account["splits"][split]["files"]
    return account


def bytes_below(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def parts_below(directory):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.glob("*-*.*")}


@pytest.mark.parametrize("name", FORMATS)
def test_parts_of_any_size_hold_the_documents_of_one(tmp_path, name):
    file = write_input(tmp_path / f"in.{name}")
    for part_bytes in (10**9, 20_000, 3_000):
        manifest = tmp_path / str(part_bytes) / "manifest.json"
        sample(source(), [file], manifest, 1, part_bytes)
        assert documents_of(manifest) == documents_of(tmp_path / "1000000000" / "manifest.json")
        assert account_of(manifest) == account_of(tmp_path / "1000000000" / "manifest.json")
    assert len(list((tmp_path / "3000").glob("train-*"))) > 5


def test_each_file_in_the_manifest_tells_its_documents_words_and_text(tmp_path):
    file = write_input(tmp_path / "in.jsonl")
    manifest = tmp_path / "out" / "manifest.json"
    sample(source(), [file], manifest, 1, 20_000)
    documents = iter(documents_of(manifest)["train"])
    for entry in read_json(manifest)["splits"]["train"]["files"]:
        own = [next(documents) for _ in range(entry["documents"])]
        assert entry["words"] == sum(words for _, words in own)
        assert entry["text_bytes"] == sum(len(text.encode()) for text, _ in own)
    assert not list(documents)


def test_lines_of_rejects_are_those_of_the_file_whatever_the_parts(tmp_path):
    lines = ["[]" if n % 90 == 89 else '{"text": "abc"}' for n in range(900)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    (tmp_path / "b.jsonl").write_text("{\n" * 3)
    for part_bytes in (10**6, 700, 50):
        manifest = tmp_path / str(part_bytes) / "manifest.json"
        sample(source(max_rejected=1), [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], manifest, 2, part_bytes)
        shown = [(Path(example["file"]).stem, example["line"]) for example in read_json(manifest)["examples"]]
        assert shown == [*(("a", n) for n in range(90, 901, 90)), ("b", 1), ("b", 2), ("b", 3)]


def test_documents_without_an_id_get_different_ones_in_a_file_that_is_split(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "abc"}\n' * 500)
    manifest = tmp_path / "out" / "manifest.json"
    sample(source(), [tmp_path / "a.jsonl"], manifest, 1, 1000)
    identifiers = {name for part in manifest.parent.glob("*.parquet") for name in pq.read_table(part)["id"].to_pylist()}
    assert len(identifiers) == 500
    assert {"a.jsonl:1", "a.jsonl:1000+1"} <= identifiers


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_short_anywhere_is_told_or_read_to_where_it_was_cut(tmp_path, name):
    texts = texts_of_input(200)
    whole = write_input(tmp_path / f"in.{name}", texts).read_bytes()
    file, manifest = tmp_path / f"cut.{name}", tmp_path / "out" / "manifest.json"
    told: list[str] = []
    for percent in range(100):
        file.write_bytes(whole[: len(whole) * percent // 100])
        try:
            sample(source(held_out=0, max_rejected=1), [file], manifest, 1, 25_000)
        except UserError as error:
            told.append(str(error))
            continue
        read = [text for text, _ in documents_of(manifest)["train"]]
        assert read == texts[: len(read)]
        rejected = read_json(manifest)["rejected"]
        if name == "jsonl":
            last = file.read_bytes().splitlines()[-1]
            assert rejected == ({} if last.endswith(b'"}') else {"malformed JSON": 1})
        else:
            # Between two frames a file is whole; the line that the cut went through is seen.
            assert name == "frames.jsonl.zst"
            assert rejected == {"malformed JSON": 1}
    assert all(sentence.count("\n") == 0 and str(file) in sentence for sentence in told)
    assert len(told) >= (1 if name == "jsonl" else 90)


def test_a_frame_whose_beginning_is_damaged_is_told_wherever_the_spans_begin(tmp_path):
    file = write_input(tmp_path / "in.frames.jsonl.zst")
    whole = file.read_bytes()
    starts = [at for at in range(len(whole)) if whole[at : at + 4] == zstandard.FRAME_HEADER]
    assert len(starts) > 20
    for start in starts[::5]:
        file.write_bytes(whole[:start] + b"?" + whole[start + 1 :])
        with pytest.raises(UserError, match=r"in\.frames\.jsonl\.zst is .*damaged"):
            sample(source(), [file], tmp_path / "out" / "manifest.json", 1, 40_000)


@pytest.mark.parametrize("name", ["jsonl", "frames.jsonl.zst"])
def test_finished_parts_are_kept_and_the_others_made_again(tmp_path, name):
    file = write_input(tmp_path / f"in.{name}")
    out = tmp_path / "out"
    sample(source(), [file], out / "manifest.json", 1, 30_000)
    whole, before = bytes_below(out), parts_below(out)
    gone, kept, cut = sorted(out.glob("part-?????.json"))[:3]
    gone.unlink()
    (out / f"train-{cut.stem[5:]}.parquet").write_bytes(b"cut")
    (out / ".train-00001.parquet.1.part").write_bytes(b"half")
    (out / "train-99999.parquet").write_bytes(b"of another plan")
    sample(source(), [file], out / "manifest.json", 1, 30_000)
    assert bytes_below(out) == whole
    same = {name for name, what in parts_below(out).items() if before[name] == what}
    assert kept.name in same
    assert not same & {gone.name, cut.name}


@pytest.mark.parametrize("name", ["jsonl.gz", "jsonl.zst"])
def test_one_that_cannot_be_split_goes_on_after_its_finished_parts(tmp_path, name):
    file = write_input(tmp_path / f"in.{name}")
    out = tmp_path / "out"
    sample(source(), [file], out / "manifest.json", 1, 3000)
    whole, before = bytes_below(out), parts_below(out)
    records = sorted(out.glob("part-00000*.json"), key=lambda record: record.stem)
    assert len(records) > 10
    for record in records[7:]:
        record.unlink()
    sample(source(), [file], out / "manifest.json", 1, 3000)
    assert bytes_below(out) == whole
    kept = {name for name, what in parts_below(out).items() if before[name] == what}
    assert {record.name for record in records[:7]} <= kept


def test_another_slice_or_file_makes_new_parts_and_a_looser_max_rejected_does_not(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "abc"}\n' * 50 + "[]\n" * 50)
    out = tmp_path / "out"
    with pytest.raises(UserError, match="50 of 100 records"):
        sample(source(), [file], out / "manifest.json", 1)
    before = parts_below(out)
    sample(source(max_rejected=0.5), [file], out / "manifest.json", 1)
    assert parts_below(out) == before
    sample(source(max_rejected=0.5, seed=2), [file], out / "manifest.json", 1)
    assert parts_below(out) != before
    before = parts_below(out)
    os.utime(file, ns=(1, 1))
    sample(source(max_rejected=0.5, seed=2), [file], out / "manifest.json", 1)
    assert parts_below(out) != before


@pytest.mark.parametrize("workers", [1, 2])
def test_damage_in_one_file_is_told_and_leaves_no_part_half(tmp_path, workers):
    files = [write_input(tmp_path / f"{n}.jsonl.gz") for n in range(6)]
    files[3].write_bytes(files[3].read_bytes()[:-100])
    out = tmp_path / "out"
    part_bytes = files[0].stat().st_size * 3
    with pytest.raises(UserError, match=r"3\.jsonl\.gz is cut short; fetch or copy it again\.$"):
        sample(source(), files, out / "manifest.json", workers, part_bytes)
    assert not list(out.glob(".*"))
    kept = parts_below(out)
    write_input(files[3])
    sample(source(), files, out / "manifest.json", workers, part_bytes)
    after = parts_below(out)
    assert {name: after[name] for name in kept} == kept
    sample(source(), files, tmp_path / "fresh" / "manifest.json", 1, part_bytes)
    assert bytes_below(out) == bytes_below(tmp_path / "fresh")


def test_a_file_that_grows_while_it_is_read_is_told(tmp_path, monkeypatch):
    file = write_input(tmp_path / "in.jsonl")

    def take(*_):
        with file.open("a") as stream:
            stream.write('{"text": "more"}\n')
        return ()

    monkeypatch.setattr("corpus.sampling.making.Cleaner.take", take)
    with pytest.raises(UserError, match=r"in\.jsonl changed while it was read"):
        sample(source(), [file], tmp_path / "out" / "manifest.json", 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["jsonl.gz", "frames.jsonl.zst"])
def test_killed_every_moment_until_done_gives_the_bytes_of_a_run_left_alone(tmp_path, name):
    files = [write_input(tmp_path / f"{n}.{name}", texts_of_input(3000)[n * 1000 :]) for n in range(3)]
    (tmp_path / "slice.json").write_text(source(files=[str(file) for file in files]).model_dump_json())

    def start(out):
        command = [sys.executable, "-m", "corpus.sampling", "--slice", tmp_path / "slice.json", "--workers", "2"]
        command += ["--output", out / "manifest.json", "--part-bytes", "120000"]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    # Apart: one would be taken over for the other, as a source that was renamed.
    alone = start(tmp_path / "alone" / "x")
    assert alone.wait() == 0, alone.stdout.read()
    chance = random.Random(2)
    killed, kills, finished = tmp_path / "killed" / "x", 0, 0
    while True:
        process = start(killed)
        wanted = finished + chance.randrange(2, 6)
        while process.poll() is None and len(list(killed.glob("part-*.json"))) < wanted:
            time.sleep(0.002)
        if process.poll() is not None:
            break
        time.sleep(chance.random() * 0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        assert len(list(killed.glob("part-*.json"))) >= finished
        finished = len(list(killed.glob("part-*.json")))
    assert process.returncode == 0, process.stdout.read()
    assert kills >= 2
    assert bytes_below(killed) == bytes_below(tmp_path / "alone" / "x")
