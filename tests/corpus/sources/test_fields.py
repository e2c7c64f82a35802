"""Fields by path: published records keep text, ids and scores below other fields."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UserError
from corpus.sources.fields import Wanted, names_in, value_at
from corpus.sources.readers import open_span, whole

RECORDS = {
    "opus": {"translation": {"en": "a b", "fi": "teksti", "xx": None}, "meta": {"id": "o7"}, "page": 3},
    "hplt": {"text": "teksti", "doc_scores": [7.5, 9.0], "id": "h1"},
    "deep": {"pages": [{"body": [{"t": "teksti"}]}], "quality": {"lid": {"prob": [0.1, 0.9]}}},
}
WANTED = {
    "opus": Wanted("translation.fi", "meta.id"),
    "hplt": Wanted(scores=("doc_scores", "doc_scores.1")),
    "deep": Wanted("pages.0.body.0.t", scores=("quality.lid.prob.1",)),
}
FIELDS = {
    "opus": {"page": 3, "meta.id": "o7"},
    "hplt": {"id": "h1", "doc_scores": 7.5, "doc_scores.1": 9.0},
    "deep": {"quality.lid.prob.1": 0.9},
}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("name", RECORDS)
def test_text_id_and_scores_are_found_below_other_fields(tmp_path, name, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".jsonl":
        path.write_text((json.dumps(RECORDS[name]) + "\n") * 3)
    else:
        pq.write_table(pa.Table.from_pylist([RECORDS[name]] * 3), path)
    documents = list(open_span(whole(path), WANTED[name]))
    assert [(one.text, one.fields) for one in documents] == [("teksti", FIELDS[name])] * 3


def test_lines_read_together_and_alone_find_the_same(tmp_path):
    """A line that is no ordinary one lets its whole batch be read line by line."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in [RECORDS["opus"]] * 3 + [{"other": {"x": 1}}]))
    *documents, reject = open_span(whole(path), WANTED["opus"])
    assert [(one.text, one.fields) for one in documents] == [("teksti", FIELDS["opus"])] * 3
    assert (reject.reason, reject.fields) == ("no text", "other.x")


PAIR = Wanted(("translation.en", "translation.fi"), scores=("score",))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_several_fields_make_one_text_and_a_record_without_one_of_them_names_it(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    pairs = [("one", "yksi"), ("two", ""), (None, "kolme"), ("four", "neljä"), (None, None), ("six\nsix", "kuusi")]
    rows = [{"n": n, "score": 0.5, "translation": {"en": en, "fi": fi}} for n, (en, fi) in enumerate(pairs)]
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    found = [getattr(one, "text", None) or one.reason for one in open_span(whole(path), PAIR)]
    wanting = "no text in translation.fi", "no text in translation.en", "no text in translation.en"
    assert found == ["one\nyksi", wanting[0], wanting[1], "four\nneljä", wanting[2], "six\nsix\nkuusi"]


def test_pairs_that_are_all_whole_are_read_together_and_alike(tmp_path):
    row = {"en": "one", "fi": "yksi", "n": 1}
    (tmp_path / "a.jsonl").write_text((json.dumps(row) + "\n") * 3)
    (tmp_path / "b.jsonl").write_text((json.dumps(row) + "\n") * 3 + "[]\n" + json.dumps({"en": 1, "fi": "x"}) + "\n")
    together = list(open_span(whole(tmp_path / "a.jsonl"), Wanted(("en", "fi"))))
    *alone, listed, number = open_span(whole(tmp_path / "b.jsonl"), Wanted(("en", "fi")))
    assert [(one.text, one.fields) for one in together] == [("one\nyksi", {"n": 1})] * 3
    assert [(one.text, one.fields) for one in alone] == [("one\nyksi", {"n": 1})] * 3
    assert (listed.reason, number.reason) == ("not an object", "no text in en")


def test_a_table_without_one_of_several_columns_is_told(tmp_path):
    pq.write_table(pa.table({"en": ["x"], "sv": ["y"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no column 'fi', only en, sv; set `text_field`"):
        list(open_span(whole(tmp_path / "a.parquet"), Wanted(("en", "fi"))))


def test_a_field_of_just_that_name_comes_before_a_path():
    record = {"a.b": 1, "a": {"b": 2, "c.d": 3, "e": [{"f": 4}, [5]]}, "0": 6}
    found = {name: value_at(record, name) for name in ("a.b", "a.c.d", "a.e.0.f", "a.e.1.0", "0")}
    assert found == {"a.b": 1, "a.c.d": 3, "a.e.0.f": 4, "a.e.1.0": 5, "0": 6}
    assert [value_at(record, name) for name in ("a.e.2", "a.e.-1", "a.x", "a.b.c", "", ".", "a.e.x", "a.")] == [
        None
    ] * 8


def test_only_the_wanted_leaf_of_a_nested_column_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    table = pa.table({"translation": [{"en": "x", "fi": "teksti"}], "n": [1], "big": [{"blob": "y"}], "l": [["z"]]})
    pq.write_table(table, path)
    seen = []
    iterate = pq.ParquetFile.iter_batches

    def watched(self, *args, columns, **options):
        seen.append(columns)
        return iterate(self, *args, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    assert [one.text for one in open_span(whole(path), Wanted("translation.fi"))] == ["teksti"]
    assert seen == [["n", "translation.fi"]]


def test_a_nested_string_that_is_no_utf8_is_rejected_alone(tmp_path):
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffa")])
    pq.write_table(pa.table({"t": pa.StructArray.from_arrays([text], ["fi"])}), tmp_path / "a.parquet")
    bad, good = open_span(whole(tmp_path / "a.parquet"), Wanted("t.fi"))
    assert (bad.reason, good.text) == ("bad UTF-8", "a")


def test_a_path_that_leads_nowhere_names_the_paths_there_are(tmp_path):
    pq.write_table(pa.table({"translation": [{"en": "x", "fi": "y"}], "n": [1]}), tmp_path / "a.parquet")
    for name in ("translation.sv", "translation.fi.0", "text", "n.x"):
        with pytest.raises(
            UserError, match=rf"no column '{name}', only translation.en, translation.fi, n; set `text_f"
        ):
            list(open_span(whole(tmp_path / "a.parquet"), Wanted(name)))


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["x"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="more than one column 'text'"):
        list(open_span(whole(tmp_path / "a.parquet"), Wanted()))


def test_a_score_that_is_nan_stays_for_the_filter_and_another_field_is_left_out(tmp_path):
    table = pa.table({"text": ["a"], "score": [float("nan")], "other": [float("nan")], "s": [{"x": float("inf")}]})
    pq.write_table(table, tmp_path / "a.parquet")
    (document,) = open_span(whole(tmp_path / "a.parquet"), Wanted(scores=("score", "s.x")))
    assert repr(document.fields) == "{'score': nan, 's.x': inf}"


def test_names_are_safe_to_print_and_few():
    shown = names_in({"\x1b[2J": 1, "a" * 99: {"b": {"c": {"d": {"e": 1}}}}, **{str(n): n for n in range(30)}})
    assert shown.isprintable()
    assert shown.startswith(f" [2J, {'a' * 60}.b.c.d, 0, 1, ")
    assert shown.endswith(", 17, 12 more")
