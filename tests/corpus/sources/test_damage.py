"""Damaged files of every format, read in spans: documents, rejects, or one sentence that names the file."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from corpus.sources.readers import Document, Reject, Wanted, open_span, plan

TEXTS = [f"{n} teksti, jossa on sanoja {n * n % 97}" for n in range(60)]
LINES = b"".join(json.dumps({"id": n, "text": text}).encode() + b"\n" for n, text in enumerate(TEXTS))


def parquet():
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS, "n": list(range(60))}), stream, row_group_size=20)
    return stream.getvalue()


FILES = {
    "a.jsonl": LINES,
    "a.jsonl.gz": gzip.compress(LINES[:2000], mtime=0) + gzip.compress(LINES[2000:], mtime=0),
    "a.jsonl.zst": b"".join(zstandard.compress(LINES[n : n + 700]) for n in range(0, len(LINES), 700)),
    "a.parquet": parquet(),
}
MAGIC = [
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"\x1f\x8b\x08\x00",
    b"PAR1",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\n",
]
harm = st.tuples(
    st.floats(0, 1), st.integers(0, 40), st.one_of(st.binary(max_size=20), st.sampled_from(MAGIC))
)  # where, bytes left out, bytes put in


def read(path, unit_bytes):
    spans = [span for unit in plan([path], unit_bytes) for span in unit]
    return [record for span in spans for record in open_span(span, Wanted())]


@pytest.mark.parametrize("name", FILES)
@given(harms=st.lists(harm, min_size=1, max_size=3), unit_bytes=st.sampled_from([300, 1500, 10**6]))
def test_whatever_the_damage_there_is_a_record_or_one_sentence(tmp_path_factory, name, harms, unit_bytes):
    content = bytearray(FILES[name])
    for place, without, put in harms:
        at = int(place * len(content))
        content[at : at + without] = put
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        records = read(path, unit_bytes)
    except UserError as error:
        records, told = [], str(error)
    else:
        told = str(path)
    assert all(isinstance(record, Document | Reject) for record in records)
    assert str(path) in told
    assert "\n" not in told


@pytest.mark.parametrize("name", FILES)
@given(content=st.binary(max_size=100), unit_bytes=st.sampled_from([1, 30, 10**6]))
def test_bytes_that_were_never_of_the_format_break_no_reader(tmp_path_factory, name, content, unit_bytes):
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        assert all(isinstance(record, Document | Reject) for record in read(path, unit_bytes))
    except UserError as error:
        told = str(error)
    else:
        told = str(path)
    assert str(path) in told


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_a_line_longer_than_spans_and_blocks_is_one_document(tmp_path, name):
    """Two million characters between two short lines, in spans of 50 kB of text."""
    text = "sana " * 400_000
    lines = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in ("a", text, "b"))
    frames = b"".join(zstandard.compress(lines[n : n + 100_000]) for n in range(0, len(lines), 100_000))
    path = tmp_path / name
    path.write_bytes({".jsonl": lines, ".gz": gzip.compress(lines), ".zst": frames}[path.suffix])
    assert [record.text for record in read(path, 50_000)] == ["a", text, "b"]


def test_a_hundred_thousand_tiny_documents_in_tiny_frames_are_read_once(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    lines = [b'{"text":"%d"}\n' % n for n in range(100_000)]
    compressor = zstandard.ZstdCompressor(level=1)
    path.write_bytes(b"".join(compressor.compress(b"".join(lines[n : n + 100])) for n in range(0, 100_000, 100)))
    assert [record.text for record in read(path, 10_000)] == [str(n) for n in range(100_000)]
