"""Sampling: every document is accounted for, the bytes are the same each time, and nothing half-made is ever used."""

import gzip
import json
import lzma
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.files import read_json
from corpus.sampling.documents import SPLITS, split_texts
from corpus.sampling.filters import drop_reasons, in_fraction, splits_of
from corpus.sampling.sample import sample
from corpus.sources.readers import read_documents
from recipe.slices.types import SourceSlice

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def source(**settings):
    return SourceSlice(**{"name": "x", "seed": 1, "language": "fi", "files": ["unused"], **settings})


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def documents(count, start=0):
    """Documents of 1 to 39 words."""
    for n in range(start, start + count):
        yield {"id": f"d{n}", "text": " ".join(["sana", str(n)] * (n % 20) + ["loppu"]), "score": n % 5}


def all_texts(manifest):
    return {split: list(split_texts(manifest, split)) for split in SPLITS}


def bytes_below(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def in_share(texts, fraction, seed=7):
    """Return the texts that are in the fraction."""
    inside = in_fraction([text.encode() for text in texts], fraction, seed)
    return [text for text, one in zip(texts, inside.tolist(), strict=True) if one]


def split_names(texts, held_out, seed=7):
    """Return the split of each text."""
    return [SPLITS[number] for number in splits_of([text.encode() for text in texts], held_out, seed).tolist()]


@given(st.floats(0, 0.49), st.floats(0.01, 1))
def test_shares_come_out_as_asked_and_the_fraction_does_not_shift_the_split(held_out, fraction):
    kept = in_share([f"text {n}" for n in range(1000)], fraction)
    splits = Counter(split_names(kept, held_out))
    margin = 5 * (max(len(kept), 1) * 0.25) ** 0.5
    assert abs(len(kept) - 1000 * fraction) < 80
    for split in ("validation", "test"):
        assert abs(splits[split] - len(kept) * held_out) < margin


def test_a_smaller_fraction_is_part_of_a_larger_and_held_out_text_stays_held_out():
    texts = [f"text {n}" for n in range(2000)]
    assert set(in_share(texts, 0.2)) < set(in_share(texts, 0.5))
    few, many = ({n for n, split in enumerate(split_names(texts, share)) if split != "train"} for share in (0.05, 0.2))
    assert few < many
    assert set(split_names(texts, 0.3)) == set(SPLITS)


def test_the_seed_changes_the_split_and_where_the_text_is_read_does_not():
    texts = [f"text {n}" for n in range(200)]
    assert split_names(texts, 0.3, 1) != split_names(texts, 0.3, 2)
    alone = [split_names([text], 0.3, 2**63 - 1)[0] for text in texts]
    assert split_names(texts, 0.3, 2**63 - 1) == alone


def test_split_of_a_known_text_never_changes():
    """Another answer here means that held-out text of earlier runs is trained on in later ones."""
    numbers = splits_of([f"text {n}".encode() for n in range(16)], 0.3, 42)
    assert "".join(map(str, numbers.tolist())) == "0100020001122010"


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({}, None),
        ({"min_characters": 11, "max_characters": 11, "min_words": 3, "max_words": 3}, None),
        ({"min_characters": 12}, "characters < 12"),
        ({"max_characters": 10, "min_words": 9}, "characters > 10"),
        ({"min_words": 4}, "words < 4"),
        ({"max_words": 2}, "words > 2"),
        ({"min_scores": {"edu": 2.5}}, None),
        ({"min_scores": {"edu": 2.6}}, "edu < 2.6"),
        ({"min_scores": {"absent": 0}}, "absent is no number"),
        ({"min_scores": {"name": 0}}, "name is no number"),
        ({"min_scores": {"flag": 0}}, "flag is no number"),
        ({"allowed_values": {"name": ["a", "5"]}}, None),
        ({"allowed_values": {"name": ["a", "b"]}}, "name is not a or b"),
        ({"allowed_values": {"absent": ["a"]}}, "absent is not a"),
        ({"allowed_values": {"name": ["a"]}, "min_scores": {"edu": 2.6}}, "name is not a"),
        ({"allowed_values": {"name": ["5"]}, "min_scores": {"edu": 2.6}}, "edu < 2.6"),
    ],
)
def test_the_first_filter_that_refuses_is_the_reason(filters, reason):
    fields = {"edu": 2.5, "name": "5", "flag": True}
    words = np.array([3], np.uint32)
    assert drop_reasons([11], [fields], words, source(filters=filters).filters) == [reason]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.one_of(any_text, st.none(), st.integers(), st.just(["bad line"])), max_size=12),
        min_size=1,
        max_size=3,
    ),
    st.floats(0.1, 1),
    st.floats(0, 0.45),
)
def test_every_record_is_in_a_split_or_dropped_or_rejected(tmp_path_factory, contents, fraction, held_out):
    directory = tmp_path_factory.mktemp("any")
    files = []
    for number, content in enumerate(contents):
        lines = ["{broken" if item == ["bad line"] else json.dumps({"text": item}) for item in content]
        files.append(directory / f"{number}.jsonl")
        files[-1].write_text("\n".join(lines))
    settings = {"fraction": fraction, "held_out": held_out, "max_rejected": 1, "filters": {"min_characters": 2}}
    items = [item for content in contents for item in content]
    good = [item for item in items if isinstance(item, str) and item]
    manifest = directory / "out" / "manifest.json"
    try:
        sample(source(**settings), files, manifest, 1)
    except UserError as error:
        assert "no documents" in str(error)  # noqa: PT017 (an outcome beside the other)
        assert not manifest.exists()
        return
    account = read_json(manifest)
    kept = all_texts(manifest)
    assert account["read"] == len(good)
    assert sum(account["rejected"].values()) == len(items) - len(good)
    assert len(account["examples"]) == min(len(items) - len(good), 20)
    assert sum(map(len, kept.values())) + sum(account["dropped"].values()) == len(good)
    assert sum(account["word_histogram"]) == sum(map(len, kept.values())) == account["steps"][-1]["documents"]
    assert sum(account["word_histogram_before"]) == account["steps"][0]["documents"]
    for split, texts in kept.items():
        stated = account["splits"][split]
        assert stated["documents"] == len(texts) == sum(part["documents"] for part in stated["files"])
        assert stated["bytes"] == sum(len(text.encode()) for text in texts)
        assert stated["words"] == sum(len(text.split()) for text in texts)
        assert not Counter(texts) - Counter(good)
        assert set(split_names(texts, held_out, 1)) <= {split}


def test_documents_keep_input_order_and_fields_and_get_an_id(tmp_path):
    file = write_lines(
        tmp_path / "in.jsonl", [{"body": "a b", "id": 7, "lang": "fi"}, {"body": "c", "text": "other"}, {"body": "d"}]
    )
    sample(source(held_out=0, text_field="body"), [file], tmp_path / "out" / "manifest.json", 1)
    assert pq.read_table(tmp_path / "out" / "train-00000.parquet").to_pylist() == [
        {"id": "7", "words": 2, "fields": '{"lang":"fi"}', "text": "a b"},
        {"id": "in.jsonl:2", "words": 1, "fields": '{"text":"other"}', "text": "c"},
        {"id": "in.jsonl:3", "words": 1, "fields": None, "text": "d"},
    ]


def test_histograms_count_words_by_powers_of_ten_before_and_after_the_steps(tmp_path):
    file = write_lines(tmp_path / "in.jsonl", [{"text": "sana " * n} for n in (1, 9, 10, 99, 100, 999, 1000)])
    sample(source(filters={"max_words": 99}), [file], tmp_path / "out" / "manifest.json", 1)
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert (manifest["word_histogram_before"], manifest["word_histogram"]) == ([2, 2, 2, 1], [2, 2])


def test_bytes_are_the_same_for_any_number_of_workers_and_formats_of_input(tmp_path):
    files = [write_lines(tmp_path / f"{n}.jsonl", documents(150, 150 * n)) for n in range(5)]
    settings = source(held_out=0.2, fraction=0.7, filters={"min_words": 4, "min_scores": {"score": 1}})
    for workers in (1, 3):
        sample(settings, files, tmp_path / f"out{workers}" / "manifest.json", workers)
    assert bytes_below(tmp_path / "out1") == bytes_below(tmp_path / "out3")
    zipped = []
    for file in files:
        zipped.append(tmp_path / f"{file.name}.gz")
        zipped[-1].write_bytes(gzip.compress(file.read_bytes()))
    sample(settings, zipped, tmp_path / "zipped" / "manifest.json", 1)
    written = [bytes_below(tmp_path / name) for name in ("zipped", "out1")]
    for files_of in written:
        del files_of["part-00000.json"], files_of["origins.json"]
    assert written[0] == written[1]


def test_bytes_are_the_same_for_any_number_of_workers_in_every_form_of_input(tmp_path):
    records = [{"text": f"sana {n} " * (n % 9 + 1), "n": n} for n in range(400)]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    table = pa.Table.from_pylist(records)
    contents = {
        "a.ndjson": lines,
        "b.json": json.dumps(records, indent=1).encode(),
        "c.jsonl.xz": lzma.compress(lines),
        "d_00": lines,
        "e.txt": "".join(record["text"] + "\n" for record in records).encode(),
        "f.jsonl.zstd": b"".join(zstandard.compress(lines[at : at + 999]) for at in range(0, len(lines), 999)),
    }
    files = [tmp_path / name for name in (*contents, "g.arrow")]
    for path, content in zip(files, contents.values(), strict=False):
        path.write_bytes(content)
    with pa.ipc.new_file(str(files[-1]), table.schema) as writer:
        writer.write_table(table, max_chunksize=30)
    for workers in (1, 3):
        sample(source(held_out=0.1), files, tmp_path / f"out{workers}" / "manifest.json", workers, part_bytes=3000)
    written = bytes_below(tmp_path / "out1")
    assert written == bytes_below(tmp_path / "out3")
    assert len(written) > 30
    kept = Counter(text for texts in all_texts(tmp_path / "out1" / "manifest.json").values() for text in texts)
    assert sum(kept.values()) == 7 * 400


def test_too_many_rejects_fail_and_name_the_first(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "a"}\n' * 95 + "{broken\n" * 5)
    with pytest.raises(UserError, match=rf"5 of 100 .*\({file} line 96: malformed JSON"):
        sample(source(max_rejected=0.04), [file], tmp_path / "out" / "manifest.json", 1)
    assert not (tmp_path / "out" / "manifest.json").exists()
    sample(source(max_rejected=0.05), [file], tmp_path / "out" / "manifest.json", 1)
    account = read_json(tmp_path / "out" / "manifest.json")
    assert account["rejected"] == {"malformed JSON": 5}
    assert account["examples"][0] == {
        "file": str(file),
        "line": 96,
        "reason": "malformed JSON",
        "excerpt": "{broken",
        "fields": "",
    }


def test_examples_stop_at_twenty_in_input_order(tmp_path):
    files = []
    for n in range(3):
        files.append(tmp_path / f"{n}.jsonl")
        files[-1].write_text('{"text": "a"}\n' + "[]\n" * 15)
    sample(source(max_rejected=1), files, tmp_path / "out" / "manifest.json", 2)
    account = read_json(tmp_path / "out" / "manifest.json")
    assert account["rejected"] == {"not an object": 45}
    assert [Path(example["file"]).name for example in account["examples"]] == ["0.jsonl"] * 15 + ["1.jsonl"] * 5


def test_a_source_without_documents_left_tells_which_filter_took_them(tmp_path):
    file = write_lines(tmp_path / "in.jsonl", documents(50))
    with pytest.raises(UserError, match=r"no documents left: of 50 read, 50 by 'words < 1000'"):
        sample(source(filters={"min_words": 1000}), [file], tmp_path / "out" / "manifest.json", 1)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError, match=r"has no documents: 1 file.* hold none"):
        sample(source(), [tmp_path / "empty.jsonl"], tmp_path / "out" / "manifest.json", 1)


def test_leftovers_of_an_earlier_attempt_are_gone(tmp_path):
    files = [write_lines(tmp_path / f"{n}.jsonl", documents(50)) for n in range(3)]
    out = tmp_path / "out"
    sample(source(held_out=0.3), files, out / "manifest.json", 1)
    (out / ".train-00000.parquet.123.part").write_bytes(b"half")
    (out / "note.txt").write_text("a person's")
    sample(source(held_out=0), files[:1], out / "manifest.json", 1)
    names = ["manifest.json", "note.txt", "origins.json", "part-00000.json", "train-00000.parquet"]
    assert sorted(bytes_below(out)) == names


def test_input_beside_the_output_is_refused_before_anything_is_removed(tmp_path):
    file = write_lines(tmp_path / "train-0.jsonl", documents(5))
    with pytest.raises(UserError, match="another --output"):
        sample(source(), [file], tmp_path / "manifest.json", 1)
    assert file.exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_changed_part_is_an_error_that_names_it_before_any_of_its_own_texts(tmp_path, harm):
    files = [write_lines(tmp_path / f"{n}.jsonl", documents(50, 50 * n)) for n in range(2)]
    manifest = tmp_path / "out" / "manifest.json"
    sample(source(held_out=0), files, manifest, 1, part_bytes=max(file.stat().st_size for file in files))
    part = manifest.parent / "train-00001.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.unlink() if harm == "remove" else part.write_bytes(content if harm == "flip" else content[:-1])
    texts = []
    with pytest.raises(UserError, match=r"train-00001\.parquet .*run again to remake it"):
        texts.extend(split_texts(manifest, "train"))
    assert len(list(split_texts(manifest, "validation"))) == 0
    assert len(texts) == 50


def test_reading_back_tells_an_absent_or_foreign_manifest_and_an_unknown_split(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        list(split_texts(tmp_path / "manifest.json", "train"))
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(UserError, match="format 5"):
        list(split_texts(tmp_path / "manifest.json", "train"))
    file = write_lines(tmp_path / "in.jsonl", documents(5))
    sample(source(), [file], tmp_path / "out" / "manifest.json", 1)
    with pytest.raises(UserError, match="no split 'dev'"):
        list(split_texts(tmp_path / "out" / "manifest.json", "dev"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared development text")
def test_real_text_is_split_once_and_read_back_whole(tmp_path):
    files = sorted(SHARED.glob("sv-*.jsonl.zst"))
    manifest = tmp_path / "out" / "manifest.json"
    sample(source(language="sv", held_out=0.1), files, manifest, 2)
    kept = all_texts(manifest)
    raw = Counter(record.text for record in read_documents(files))
    assert Counter(text for texts in kept.values() for text in texts) == raw
    assert not set(kept["train"]) & (set(kept["validation"]) | set(kept["test"]))


def test_a_loop_of_links_is_told(tmp_path):
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    with pytest.raises(UserError, match=r"loop\.jsonl does not exist"):
        sample(source(), [tmp_path / "loop.jsonl"], tmp_path / "out" / "manifest.json", 1)


def test_pairs_without_one_side_are_counted_by_its_name(tmp_path):
    rows = [{"en": f"one {n}", "fi": f"yksi {n}" if n % 4 else ""} for n in range(100)]
    file = write_lines(tmp_path / "in.jsonl", rows)
    settings = {"language": "en-fi", "held_out": 0, "text_field": ["en", "fi"]}
    account = sample(source(**settings, max_rejected=0.3), [file], tmp_path / "out" / "manifest.json", 1)
    assert (account.read, account.rejected) == (75, {"no text in fi": 25})
    assert "one 1\nyksi 1" in all_texts(tmp_path / "out" / "manifest.json")["train"]
    with pytest.raises(UserError, match=r"25 of 100 records of source x are malformed.*: no text in fi"):
        sample(source(**settings), [file], tmp_path / "out" / "manifest.json", 1)


def test_records_without_the_text_field_ask_for_its_name(tmp_path):
    file = write_lines(tmp_path / "in.jsonl", [{"body": "a"}] * 3)
    with pytest.raises(UserError, match=r"set text_field, now 'text', to .* the text; the records have body"):
        sample(source(), [file], tmp_path / "out" / "manifest.json", 1)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("Plain text, no JSON at all.", "if these are lines of plain text, let the files' names end in .txt"),
        (
            '{"text": "a", "score": NaN}',
            r"line 1: NaN is no JSON.*write null, or nothing, for numbers that are missing",
        ),
        ('{"text": "a", "text": "b"}', r"line 1: two fields text.*keep one of them"),
        ("[1]", "mend the files or raise max_rejected"),
    ],
)
def test_what_is_wrong_with_nearly_all_records_is_told_with_what_helps(tmp_path, line, advice):
    file = tmp_path / "in.jsonl"
    file.write_text(f"{line}\n" * 19 + '{"text": "a"}\n')
    with pytest.raises(UserError, match=advice) as error:
        sample(source(), [file], tmp_path / "out" / "manifest.json", 1)
    assert ("raise max_rejected" in str(error.value)) == (line == "[1]")


def test_documents_of_another_language_than_is_asked_for_by_a_nested_field_are_dropped(tmp_path):
    records = [{"text": f"sana {n}", "metadata": {"lid": ("fin_Latn", "sv", None)[n % 3]}} for n in range(6)]
    file = write_lines(tmp_path / "in.jsonl", records)
    settings = source(held_out=0, filters={"allowed_values": {"metadata.lid": ["fi", "fin_Latn"]}})
    account = sample(settings, [file], tmp_path / "out" / "manifest.json", 1)
    assert account.documents == {"train": 2}
    assert account.dropped == {"metadata.lid is not fi or fin_Latn": 4}


def test_ids_and_scores_may_lie_deeper_and_nan_is_dropped_as_such(tmp_path):
    records = [{"text": f"sana {n}", "meta": {"id": f"m{n}"}, "doc_scores": [n, 9]} for n in range(4)]
    file = write_lines(tmp_path / "in.jsonl", records)
    settings = source(held_out=0, id_field="meta.id", filters={"min_scores": {"doc_scores": 2, "doc_scores.1": 9}})
    sample(settings, [file], tmp_path / "out" / "manifest.json", 1)
    assert pq.read_table(tmp_path / "out" / "train-00000.parquet").to_pylist() == [
        {"id": f"m{n}", "words": 2, "fields": f'{{"doc_scores":{n},"doc_scores.1":9}}', "text": f"sana {n}"}
        for n in (2, 3)
    ]
    table = pa.table({"text": ["a", "b", "c", "d"], "s": [float("nan"), 5.0, None, float("inf")]})
    pq.write_table(table, tmp_path / "in.parquet")
    settings = source(held_out=0, filters={"min_scores": {"s": 2}})
    account = sample(settings, [tmp_path / "in.parquet"], tmp_path / "out" / "manifest.json", 1)
    assert account.dropped == {"s is NaN": 1, "s is no number": 1, "s is infinite": 1}
