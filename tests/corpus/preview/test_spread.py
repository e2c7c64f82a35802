"""Documents for a preview: spread over files and in files, and the same each time."""

import gzip
import json

import pytest
import zstandard

from common.errors import UserError
from corpus.preview import spread
from corpus.preview.spread import read_spread
from corpus.sources.readers import Wanted

WANTED = Wanted("text", "id", ())


def lines(first, count):
    return "".join(json.dumps({"text": f"document {first + number}"}) + "\n" for number in range(count)).encode()


def numbers(found):
    return [int(text.split()[1]) for text in found.texts]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_documents_are_spread_over_a_file(tmp_path, suffix):
    content = lines(0, 1000)
    pack = {"jsonl": bytes, "jsonl.gz": gzip.compress, "jsonl.zst": zstandard.compress}[suffix]
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(pack(content))
    found = read_spread([file], "line", WANTED, 10)
    assert numbers(found) == list(range(0, 1000, 100))
    assert (found.read, found.all, found.rejected) == (1000, True, 0)
    assert found.places[1].endswith(f"a.{suffix} line 101")
    assert found == read_spread([file], "line", WANTED, 10)


def test_documents_are_spread_over_files(tmp_path):
    files = [tmp_path / f"{number:03}.jsonl" for number in range(200)]
    for number, file in enumerate(files):
        file.write_bytes(lines(1000 * number, 3))
    found = read_spread(files, "line", WANTED, 50)
    assert len(found.texts) == 50
    assert {number // 1000 for number in numbers(found)} > {0}
    assert numbers(found) == sorted(numbers(found))
    assert max(numbers(found)) > 190_000
    assert not found.all


def test_of_large_files_little_is_read_at_places_all_over(tmp_path, monkeypatch):
    monkeypatch.setattr(spread, "READ_BYTES", 50_000)
    monkeypatch.setattr(spread, "MIN_SPAN_BYTES", 20_000)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"".join(json.dumps({"text": f"document {n} " + "x" * 1000}).encode() + b"\n" for n in range(900)))
    found = read_spread([file], "line", WANTED, 20)
    assert found.read < 200
    assert not found.all
    assert numbers(found)[0] == 0
    assert numbers(found)[-1] > 700
    assert "after byte" in found.places[-1]


def test_rejects_are_counted_and_few_documents_are_all_there(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"[]\n" + lines(0, 3) + b"{\n")
    found = read_spread([file], "line", WANTED, 10)
    assert (numbers(found), found.rejected) == ([0, 1, 2], 2)
    (tmp_path / "none.jsonl").write_bytes(b"")
    assert read_spread([tmp_path / "none.jsonl"], "line", WANTED, 10).texts == []


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_spread([tmp_path / "a.jsonl"], "line", WANTED, 10)
