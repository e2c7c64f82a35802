"""The plan: however a file is cut, its spans give each record once, in order, and with its line."""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import UserError
from corpus.sources.frames import find_frame, frame_end
from corpus.sources.readers import Document, Place, Wanted, open_span, plan, read_documents
from corpus.sources.spans import MAX_UNIT_FILES, unit_bytes_for

SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"


def records_of(spans, places=()):
    """Return (what was read, line in the file) of all spans, each read from the place at which one before stopped."""
    found, lines = [], 0
    for span in spans:
        place, more = Place(), True
        while more:
            reader, more = open_span(span, Wanted(), place), False
            for record in reader:
                what = record.text if isinstance(record, Document) else record.reason
                found.append((what, lines + record.line))
                if len(found) in places:
                    place, more = reader.place, True
                    break
        lines += reader.line
    return found


def check(path, unit_bytes, places=()):
    """Compare a file that is read in spans, with stops at some places, and as a whole."""
    whole = [(r.text if isinstance(r, Document) else r.reason, r.line) for r in read_documents([path])]
    spans = [span for unit in plan([path], unit_bytes) for span in unit]
    assert [span.start for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert records_of(spans, places) == whole
    return whole


line = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).map(lambda t: json.dumps({"text": t})),
    st.sampled_from(["", " ", "{broken", "[]", '{"text": ""}', '{"text": "' + "x" * 300 + '"}']),
).map(str.encode)
content = st.tuples(st.lists(line, max_size=25), st.sampled_from([b"", b"\n"])).map(lambda c: b"\n".join(c[0]) + c[1])
unit_bytes = st.integers(1, 2000)
places = st.sets(st.integers(1, 25), max_size=4)


@given(content, unit_bytes, places)
@example(b'{"text": "a"}\n', 1, {1})
@example(b"\n\n\n", 1, set())
@example(b'{"text": "a"}\n{"text": "b"}', 14, {1})
def test_a_plain_file_cut_anywhere_gives_each_line_once(tmp_path_factory, content, unit_bytes, places):
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    path.write_bytes(content)
    check(path, unit_bytes, places)


@given(content, st.lists(st.integers(0, 400), max_size=12), st.sets(st.integers(0, 12)), unit_bytes, places)
@example(b'{"text": "a"}\n{"text": "b"}\n', [14], {1}, 1, {1})
@example(b'{"text": "abcdefg"}', [3, 6, 9], {0, 1, 2, 3}, 4, set())
def test_a_zst_of_frames_that_end_anywhere_gives_each_line_once(
    tmp_path_factory, content, ends, skippable, unit_bytes, places
):
    path = tmp_path_factory.mktemp("any") / "a.jsonl.zst"
    ends = [0, *sorted(ends), len(content)]
    frames = [zstandard.compress(content[start:end]) for start, end in pairwise(ends)]
    path.write_bytes(b"".join((SKIPPABLE if n in skippable else b"") + frame for n, frame in enumerate(frames)))
    check(path, unit_bytes, places)


@given(st.lists(st.one_of(st.text(max_size=5), st.none()), max_size=30), st.integers(1, 9), unit_bytes, places)
def test_a_parquet_file_of_any_row_groups_gives_each_row_once(tmp_path_factory, texts, rows, unit_bytes, places):
    texts = [text and text.encode("utf-8", "replace").decode() for text in texts]
    path = tmp_path_factory.mktemp("any") / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, row_group_size=rows)
    assert len(check(path, unit_bytes, places)) == len(texts)


@given(content, places)
def test_a_gz_is_read_on_from_any_place(tmp_path_factory, content, places):
    path = tmp_path_factory.mktemp("any") / "a.jsonl.gz"
    path.write_bytes(gzip.compress(content))
    check(path, 10, places)
    assert len(plan([path], 1)) == 1


def test_the_frames_of_spans_join(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    frames = [zstandard.compress(b'{"text": "%d"}\n' % n * 50) for n in range(20)]
    path.write_bytes(SKIPPABLE + SKIPPABLE.join(frames) + SKIPPABLE)
    readers = [open_span(span, Wanted()) for (span,) in plan([path], 150)]
    assert len(readers) > 5
    documents = sum(len(list(reader)) for reader in readers)
    joined = [reader.frames for reader in readers if reader.frames]
    assert documents == 1000
    assert joined[0][0] == 0
    assert joined[-1][1] == path.stat().st_size
    assert [end for _, end in joined[:-1]] == [first for first, _ in joined[1:]]


def test_a_magic_number_inside_a_frame_is_no_frame(tmp_path):
    """A block that is stored as it is holds the beginning of another frame, cut off."""
    inner = zstandard.compress(b"x" * 1000)
    noise = bytes(range(256)) * 2
    frame = zstandard.compress(noise[:100] + inner[:-2] + noise, level=1)
    path = tmp_path / "a.zst"
    path.write_bytes(frame + frame)
    assert frame.count(b"\x28\xb5\x2f\xfd") == 2
    with path.open("rb") as stream:
        assert frame_end(stream, 0) == len(frame)
        assert frame_end(stream, 1) is None
        assert find_frame(stream, 1, 2 * len(frame)) == len(frame)
        assert find_frame(stream, len(frame) + 1, 2 * len(frame)) is None


def test_small_files_share_a_unit_and_a_large_one_is_cut(tmp_path):
    for name, size in (("a", 300), ("b", 300), ("c", 3000), ("d", 10), ("e", 1001)):
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n" * size)
    units = plan(sorted(tmp_path.iterdir()), 1000)
    shown = [[(Path(span.path).stem, span.start, span.end) for span in unit] for unit in units]
    assert shown == [
        [("a", 0, 300), ("b", 0, 300)],
        [("c", 0, 1000)],
        [("c", 1000, 2000)],
        [("c", 2000, 3000)],
        [("d", 0, 10)],
        [("e", 0, 500)],
        [("e", 500, 1001)],
    ]


@pytest.mark.parametrize(
    ("suffix", "size", "unit_bytes"),
    [
        ("jsonl", 0, 2**24),
        ("jsonl", 2**29, 2**24),
        ("jsonl", 2**30, 2**25),
        ("jsonl", 2**31 - 1, 2**25),
        ("jsonl.zst", 2**30, 2**27),
        ("parquet", 2**40, 2**28),
    ],
)
def test_a_unit_grows_with_the_source_in_powers_of_two(tmp_path, suffix, size, unit_bytes):
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        with path.open("wb") as stream:
            stream.truncate(size // 2)
    assert unit_bytes_for(paths) == unit_bytes


def test_a_unit_has_only_so_many_files(tmp_path):
    (tmp_path / "a.jsonl").touch()
    assert [len(unit) for unit in plan([tmp_path / "a.jsonl"] * (MAX_UNIT_FILES + 1), 10)] == [MAX_UNIT_FILES, 1]


def test_a_span_tells_that_its_file_changed_or_went(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n')
    ((span,),) = plan([path], 100)
    span.refuse_changed()
    path.write_text('{"text": "b"}\n\n')
    with pytest.raises(UserError, match=r"a\.jsonl changed while it was read; wait until .* run again\.$"):
        span.refuse_changed()
    path.unlink()
    with pytest.raises(UserError, match=r"a\.jsonl was removed while it was read; put it back"):
        span.refuse_changed()
