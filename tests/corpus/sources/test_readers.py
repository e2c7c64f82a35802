"""Readers: every record is a document or a reject, and no damage passes unseen."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from corpus.sources.readers import Document, Reject, read_documents, source_files

ROOT = Path(__file__).parents[3]
LINES = b"".join(b'{"text": "line %d", "score": %d}\n' % (n, n) for n in range(3000))


def zstd(data: bytes, **parameters: int) -> bytes:
    chosen = zstandard.ZstdCompressionParameters.from_level(3, **parameters)
    compressor = zstandard.ZstdCompressor(compression_params=chosen).compressobj()
    return compressor.compress(data) + compressor.flush()


def read(path: Path, content: bytes | None = None, text_field: str = "text") -> list[Document | Reject]:
    if content is not None:
        path.write_bytes(content)
    return list(read_documents([path], text_field))


def texts(records: list[Document | Reject]) -> list[str]:
    assert all(isinstance(record, Document) for record in records), records
    return [record.text for record in records]


EXPECTED = [f"line {n}" for n in range(3000)]
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.jsonl.gz", gzip.compress(LINES)),
        ("a.jsonl.gz", gzip.compress(LINES[:20_000]) + gzip.compress(LINES[20_000:])),
        ("a.jsonl.zst", zstd(LINES)),
        ("a.jsonl.zst", zstd(LINES[:20_000]) + zstd(LINES[20_000:])),
        ("a.jsonl.zst", SKIPPABLE + zstd(LINES) + zstd(b"") + SKIPPABLE),
        ("a.jsonl.zst", zstd(LINES, window_log=31, enable_ldm=True)),
    ],
    ids=["plain", "gz", "gz of two members", "zst", "zst of two frames", "zst with skippable frames", "zst --long=31"],
)
def test_every_line_is_read_in_order_from_every_format(tmp_path, name, content):
    records = read(tmp_path / name, content)
    assert texts(records) == EXPECTED
    assert records[7] == Document("line 7", {"score": 7}, str(tmp_path / name), 8)


def test_many_small_zst_frames_are_one_stream(tmp_path):
    content = b"".join(zstd(line + b"\n") for line in LINES.splitlines())
    assert texts(read(tmp_path / "a.jsonl.zst", content)) == EXPECTED


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "malformed JSON"),
        (b'{"text": "a", "x": NaN}', "NaN is no JSON"),
        (b'{"text": "a", "x": -Infinity}', "Infinity is no JSON"),
        (b'{"text": "a", "x": 1, "text": "b"}', "two fields text"),
        (b'{"text": "a", "x": ' + b"9" * 5000 + b"}", "malformed JSON"),
        (b'{"text": ' + b"[" * 100_000, "malformed JSON"),
        (b"[1, 2]", "not an object"),
        (b'"a string"', "not an object"),
        (b'{"text": "\xff\xfe"}', "bad UTF-8"),
        (b'{"title": "no text"}', "no text"),
        (b'{"text": null}', "no text"),
        (b'{"text": ""}', "no text"),
        (b'{"text": 7}', "text is not a string"),
        (b'{"text": ["a"]}', "text is not a string"),
        (rb'{"text": "half \ud83d of a pair"}', "lone surrogate"),
        (rb'{"text": "a", "title": "\ud800"}', "lone surrogate"),
        (rb'{"text": "a", "\ud800": 1}', "lone surrogate"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason_and_the_next_is_read(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    bad, good = read(path, line + b'\n{"text": "good"}\n')
    assert isinstance(bad, Reject)
    assert (bad.reason, bad.line, bad.file) == (reason, 1, str(path))
    assert good == Document("good", {}, str(path), 2)


def test_an_excerpt_cannot_steer_the_terminal_and_is_short(tmp_path):
    (bad,) = read(tmp_path / "a.jsonl", b"\x1b[2J\x07 broken" + b"x" * 10_000)
    assert "broken" in bad.excerpt
    assert bad.excerpt.isprintable()
    assert len(bad.excerpt) <= 80


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b'{"text": "a"}', ["a"]),
        (b'{"text": "a"}\n\n  \n{"text": "b"}\r\n', ["a", "b"]),
        (b'\xef\xbb\xbf{"text": "a"}\n', ["a"]),
        (rb'{"text": "nul \u0000 kept"}', ["nul \0 kept"]),
        (rb'{"text": "\ud83d\ude00"}', ["😀"]),
        (b'{"text": " "}', [" "]),
    ],
    ids=["empty file", "no last newline", "blank lines", "byte order mark", "NUL", "surrogate pair", "white space"],
)
def test_unusual_but_valid_lines_are_documents(tmp_path, content, expected):
    assert texts(read(tmp_path / "a.jsonl", content)) == expected


def test_scalar_fields_are_kept_and_the_rest_left_out(tmp_path):
    line = b'{"id": "i", "body": "t", "n": 1, "f": 0.5, "b": true, "inf": 1e999, "null": null, "list": [1], "o": {}}'
    (record,) = read(tmp_path / "a.jsonl", line, "body")
    assert record.text == "t"
    assert record.fields == {"id": "i", "n": 1, "f": 0.5, "b": True}


@given(st.binary(max_size=60))
def test_no_bytes_at_all_break_the_reader(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    try:
        records = read(path, content)
    except UserError as error:
        records = []
        told = str(error)
    else:
        told = str(path)
    assert len(records) <= content.count(b"\n") + 1
    assert str(path) in told


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back_as_it_was(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    for ascii_only in (True, False):
        assert texts(read(path, json.dumps({"text": text}, ensure_ascii=ascii_only).encode())) == [text]


PARTS = {".jsonl.gz": gzip.compress(LINES), ".jsonl.zst": zstd(LINES) + zstd(LINES)}


@pytest.mark.parametrize("suffix", PARTS)
@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.999])
def test_a_compressed_file_cut_short_anywhere_is_an_error_that_names_it(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(UserError, match=r"fetch or copy it again") as error:
        read(path, PARTS[suffix][: int(len(PARTS[suffix]) * share) or 1])
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
@pytest.mark.parametrize("content", [b"", LINES], ids=["empty", "plain text"])
def test_a_file_that_is_not_of_its_format_is_an_error_that_names_it(tmp_path, name, content):
    with pytest.raises(UserError, match=name):
        read(tmp_path / name, content)


@pytest.mark.parametrize("suffix", PARTS)
def test_garbage_after_the_end_is_an_error(tmp_path, suffix):
    with pytest.raises(UserError, match="damaged"):
        read(tmp_path / f"a{suffix}", PARTS[suffix] + b"garbage after the end")


@pytest.mark.parametrize("suffix", PARTS)
def test_a_compressed_file_under_a_plain_name_is_told_its_right_name(tmp_path, suffix):
    with pytest.raises(UserError, match=suffix):
        read(tmp_path / "a.jsonl", PARTS[suffix])


def test_a_directory_a_pipe_a_missing_file_and_an_unknown_ending_are_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "a.csv").write_text("a,b")
    for path, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "pipe.jsonl", "is a pipe"),
        (tmp_path / "b.jsonl", "does not exist"),
        (tmp_path / "a.csv", "convert"),
    ):
        with pytest.raises(UserError, match=words):
            read(path)


def test_an_endless_line_is_an_error_and_not_a_full_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("corpus.sources.lines.MAX_LINE_BYTES", 1000)
    with pytest.raises(UserError, match=r"line 2 of .* is longer"):
        read(tmp_path / "a.jsonl", b'{"text": "a"}\n' + b" " * 2000)


def test_parquet_rows_are_documents_with_their_scalar_columns(tmp_path):
    table = pa.table(
        {
            "body": ["a", "", None, "ö" * 2000] * 300,
            "score": [1.0, float("nan"), None, 2.5] * 300,
            "kind": pa.array(["x", "y", "x", "y"] * 300).dictionary_encode(),
            "list": [[1]] * 1200,
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=500)
    records = read(path, text_field="body")
    assert len(records) == 1200
    assert records[0] == Document("a", {"score": 1.0, "kind": "x"}, str(path), 1)
    assert records[1] == Reject(str(path), 2, "no text", "", "score, kind")
    assert records[2].reason == "no text"
    assert records[1199] == Document("ö" * 2000, {"score": 2.5, "kind": "y"}, str(path), 1200)


def test_parquet_strings_that_are_not_utf8_are_rejected(tmp_path):
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffa")])
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    bad, good = read(tmp_path / "a.parquet")
    assert bad.reason == "bad UTF-8"
    assert good.text == "a"


def test_parquet_mistakes_are_told(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"body": ["a" * 50] * 500}), path, compression="none", use_dictionary=False)
    with pytest.raises(UserError, match="no column 'text', only body"):
        read(path)
    whole = path.read_bytes()
    with pytest.raises(UserError, match=r"a\.parquet is damaged"):
        read(path, whole[:-20], "body")
    pq.write_table(pa.table({"text": [1, 2]}), path)
    assert [record.reason for record in read(path)] == ["text is not a string"] * 2


def test_patterns_name_files_once_and_sorted(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "sub/c.jsonl", "[odd].jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, _ = source_files([f"{tmp_path}/[odd].jsonl", f"{tmp_path}/b.jsonl", f"{tmp_path}/**/*.jsonl"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "[odd].jsonl",
        "b.jsonl",
        "a.jsonl",
        "sub/c.jsonl",
    ]
    with pytest.raises(UserError, match=r"no file matches .*\.parquet"):
        source_files([f"{tmp_path}/*.parquet"])


def test_a_file_by_other_names_is_found_once_and_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").touch()
    (tmp_path / "latest").symlink_to("data")
    (tmp_path / "b.jsonl").symlink_to("data/a.jsonl")
    (tmp_path / "c.jsonl").hardlink_to("data/a.jsonl")
    (tmp_path / "d.jsonl").touch()
    files, again = source_files(["data/*.jsonl", f"{tmp_path}/data/*.jsonl", "./data/a.jsonl", "**/*.jsonl"])
    assert list(map(str, files)) == ["data/a.jsonl", "d.jsonl"]
    others = {f"{tmp_path}/data/a.jsonl", "./data/a.jsonl", "b.jsonl", "c.jsonl", "latest/a.jsonl"}
    assert again == dict.fromkeys(others, "data/a.jsonl")


def test_memory_does_not_grow_with_the_file(tmp_path):
    """200 MB of lines in a file of 100 kB are read below 60 MB more than the imports take."""
    line = json.dumps({"text": "sana " * 200}).encode() + b"\n"
    path = tmp_path / "a.jsonl.zst"
    with zstandard.open(path, "wb") as stream:
        for _ in range(200):
            stream.write(line * 1000)
    program = (
        "import resource, sys; from pathlib import Path; from corpus.sources.readers import read_documents\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(1 for _ in read_documents([Path(sys.argv[1])]))\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 200_000
    assert kilobytes < 60_000


def test_open_files_are_closed_when_reading_stops_early(tmp_path):
    paths = []
    for name, content in (("a.jsonl", LINES), ("a.jsonl.gz", gzip.compress(LINES)), ("a.jsonl.zst", zstd(LINES))):
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in paths:
        records = read_documents([path])
        next(records)
        records.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
