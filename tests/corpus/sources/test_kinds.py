"""Files under the names, and in the forms, in which corpora are published."""

import bz2
import gzip
import io
import json
import lzma

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from corpus.sources.fields import Wanted
from corpus.sources.kinds import Kind, kind_of, problem_in
from corpus.sources.readers import Document, Place, open_span, plan, whole

RECORDS = [{"text": f'{n} "sana" [{{,\\ ]}} ö\n{"x" * (n % 7)}', "n": n} for n in range(500)]
TEXTS = [record["text"] for record in RECORDS]
LINES = "".join(json.dumps(record, ensure_ascii=record["n"] % 2 == 0) + "\n" for record in RECORDS).encode()


def arrow(kind):
    stream = io.BytesIO()
    table = pa.Table.from_pylist(RECORDS)
    with kind(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=70)
    return stream.getvalue()


FILES = {
    "c4-fi.tfrecord-00000-of-01024.json.gz": gzip.compress(LINES),
    "a.ndjson": LINES,
    "a.json": LINES,
    "a.jsonl.zstd": zstandard.compress(LINES),
    "a.json.zst": zstandard.compress(LINES[:5000]) + zstandard.compress(LINES[5000:]),
    "a.jsonl.xz": lzma.compress(LINES[:5000]) + bytes(8) + lzma.compress(LINES[5000:]) + bytes(4),
    "a.jsonl.bz2": bz2.compress(LINES[:5000]) + bz2.compress(LINES[5000:]),
    "wiki_00": LINES,
    "wiki_00.bz2": bz2.compress(LINES),
    "no-suffix-but-gzip": gzip.compress(LINES),
    "a.JSONL": LINES,
    "compact.json": json.dumps(RECORDS, separators=(",", ":")).encode(),
    "pretty.json": b"\xef\xbb\xbf \n" + json.dumps(RECORDS, indent=2, ensure_ascii=False).encode() + b"\n\n",
    "array.json.xz": lzma.compress(json.dumps(RECORDS).encode()),
    "array-without-suffix": json.dumps(RECORDS).encode(),
    "stream.arrow": arrow(pa.ipc.new_stream),
    "file.arrow": arrow(pa.ipc.new_file),
    "arrow-without-suffix": arrow(pa.ipc.new_file),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("unit_bytes", [3000, 10**7])
def test_every_published_form_gives_the_same_documents_in_ranges_and_whole(tmp_path, name, unit_bytes):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    assert problem_in(path, kind_of(path)) is None
    spans = [span for unit in plan([path], unit_bytes) for span in unit]
    assert len(spans) > 1 or unit_bytes > 3000 or not spans[0].kind.splits
    found = [record for span in spans for record in open_span(span, Wanted())]
    assert [(one.text, one.fields) for one in found] == [(one["text"], {"n": one["n"]}) for one in RECORDS]


@pytest.mark.parametrize(
    "name", ["compact.json", "pretty.json", "array.json.xz", "stream.arrow", "file.arrow", "a.jsonl.xz"]
)
def test_reading_goes_on_from_any_place(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    found, place, stops = [], Place(), iter([1, 70, 71, 333, 499])
    stop = next(stops)
    while len(found) < 500:
        reader = open_span(whole(path), Wanted(), place)
        for record in reader:
            found.append((record.text, record.line))
            if len(found) == stop:
                place, stop = reader.place, next(stops, 10**9)
                break
    assert found == [(text, number) for number, text in enumerate(TEXTS, 1)]


PLAIN = "\ufeffEka rivi.\r\nToka rivi.\n\n \nKolmas\nneljäs.\n\n\n\nViides."
DOCUMENTS = {
    "line": ["Eka rivi.", "Toka rivi.", "Kolmas", "neljäs.", "Viides."],
    "blank-line": ["Eka rivi.\r\nToka rivi.", "Kolmas\nneljäs.", "Viides."],
    "file": ["Eka rivi.\r\nToka rivi.\n\n \nKolmas\nneljäs.\n\n\n\nViides."],
}


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz", ".txt.zst"])
@pytest.mark.parametrize("unit", DOCUMENTS)
def test_a_document_of_plain_text_is_a_line_a_paragraph_or_a_file(tmp_path, unit, suffix):
    path = tmp_path / f"a{suffix}"
    packed = {".txt": bytes, ".txt.gz": gzip.compress, ".txt.zst": zstandard.compress}[suffix]
    path.write_bytes(packed(PLAIN.encode()))
    for size in (10, 10**6):
        spans = [span for one in plan([path], size, unit) for span in one]
        found = [record for span in spans for record in open_span(span, Wanted())]
        assert all(isinstance(record, Document) for record in found)
        assert [record.text.strip() for record in found] == DOCUMENTS[unit]


@given(st.lists(st.sampled_from(["sana", "ö", "", " ", "\r", "pitkä rivi"]), max_size=30), st.integers(1, 60))
def test_plain_lines_cut_anywhere_are_read_once(tmp_path_factory, lines, unit_bytes):
    path = tmp_path_factory.mktemp("any") / "a.txt"
    path.write_text("\n".join(lines), newline="")
    spans = [span for one in plan([path], unit_bytes) for span in one]
    found = [record.text for span in spans for record in open_span(span, Wanted())]
    assert found == [line for line in lines if line.strip()]


def test_a_plain_line_that_is_no_utf8_is_rejected_alone(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"yksi\ncaf\xe9\nkolme\n")
    one, bad, three = open_span(whole(tmp_path / "a.txt"), Wanted())
    assert (one.text, bad.reason, bad.line, three.text) == ("yksi", "bad UTF-8", 2, "kolme")


json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.lists(json_value, max_size=12), st.sampled_from([None, 1]), st.integers(1, 40))
def test_an_array_of_anything_is_what_its_lines_are(tmp_path_factory, items, indent, block):
    items = [{"text": f"t{n}", "x": item} if n % 3 else item for n, item in enumerate(items)]
    directory = tmp_path_factory.mktemp("any")
    (directory / "a.json").write_text(json.dumps(items, indent=indent))
    (directory / "b.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("corpus.sources.blocks.BLOCK", block)
        array = list(open_span(whole(directory / "a.json"), Wanted()))
    lines = list(open_span(whole(directory / "b.jsonl"), Wanted()))
    shown = [[getattr(one, "text", None) or one.reason for one in records] for records in (array, lines)]
    assert shown[0] == shown[1]
    assert [one.line for one in array] == [one.line for one in lines]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", b'[{"text": "a"}, {"text": "b"', "is cut short"),
        ("a.json", b'[{"text": "a"}, {"text": "b', "is cut short"),
        ("a.json", b'[{"text": "a"}] {"text": "b"}', "goes on after the end of its JSON array"),
        ("a.json", b'{\n "text": "a"\n}', "is one JSON object over many lines"),
        ("a.json", b"sana sana", "what it holds is no JSON"),
        ("wiki_00", b"<doc id=1>", "what it holds is no JSON"),
        ("a.csv", b"text,id\na,b", "convert it"),
        ("a.jsonl.bz2", bz2.compress(LINES)[:-9], "is cut short"),
        ("a.jsonl.bz2", bz2.compress(LINES) + b"garbage", "damaged"),
        ("a.jsonl.xz", lzma.compress(LINES)[:-9], "is cut short"),
        ("a.jsonl.xz", lzma.compress(LINES) + b"garbage after the end", "damaged"),
        ("a.jsonl.xz", LINES, "damaged, or not a .xz file"),
        ("a.arrow", FILES["file.arrow"][:-50], "damaged, or not a .arrow file"),
        ("a.arrow", FILES["stream.arrow"][:-700], "damaged, or not a .arrow file"),
        ("a.arrow", b"", "is empty, which no .arrow file is"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        list(open_span(whole(tmp_path / name), Wanted()))
    assert told in str(error.value)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b"Plain text.\nMore of it.\n", "if it is plain text, let its name end in .txt"),
        ("a.jsonl", gzip.compress(LINES, mtime=0), "ends like a .jsonl file but looks like .gz"),
        ("a.jsonl.gz", LINES, "ends like a .gz file but is none inside"),
        ("a.parquet", b"PAR1 cut", "is cut short"),
        ("a.parquet", LINES, "ends like a .parquet file"),
        ("a.txt", "teksti".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.txt", b"a\0b", "holds zero bytes"),
        ("a.jsonl", b"", None),
        ("a.jsonl", b'broken\n{"text": "a"}\n', None),
        ("a.txt.gz", gzip.compress(b"teksti", mtime=0), None),
    ],
)
def test_the_first_bytes_tell_what_a_file_cannot_be(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    problem = problem_in(path, kind_of(path))
    assert problem is None if told is None else told in problem


def test_an_arrow_file_whose_offsets_lead_out_of_it_is_damaged(tmp_path):
    content = bytearray(arrow(pa.ipc.new_stream))
    offsets = bytes(content).index(b"\0\0\0\0" + len(TEXTS[0].encode()).to_bytes(4, "little"))
    content[offsets + 4 : offsets + 8] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.arrow").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.arrow is damaged"):
        list(open_span(whole(tmp_path / "a.arrow"), Wanted()))


def test_nested_columns_of_arrow_are_read_by_path(tmp_path):
    table = pa.table({"translation": [{"en": "x", "fi": "teksti"}], "other": [[1]]})
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    (document,) = open_span(whole(tmp_path / "a.arrow"), Wanted("translation.fi"))
    assert (document.text, document.fields) == ("teksti", {})


def test_names_that_tell_are_not_opened(tmp_path):
    assert kind_of(tmp_path / "absent.jsonl.zst") == Kind("lines", "zst")
    assert kind_of(tmp_path / "absent.TXT.xz", "file") == Kind("file", "xz")
