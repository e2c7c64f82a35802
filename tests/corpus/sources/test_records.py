"""A line is what `json` says, though `orjson` parses most of them."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.sources import records
from corpus.sources.fields import Wanted
from corpus.sources.records import UnusableError, parse_line, parse_lines

WANTED = Wanted(scores=("n",))
any_text = st.text(st.characters(), max_size=8)
scalar = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), any_text)
value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3))
entry = st.one_of(st.tuples(st.just("text"), st.one_of(any_text, value)), st.tuples(any_text, value))


@st.composite
def json_lines(draw):
    """An object as text, maybe with keys that stand twice, numbers of any size, and escapes."""
    ascii_only = draw(st.booleans())
    pieces = [
        f"{json.dumps(key, ensure_ascii=ascii_only)}: {json.dumps(item, ensure_ascii=ascii_only)}"
        for key, item in draw(st.lists(entry, max_size=4))
    ]
    pieces += draw(st.lists(st.sampled_from(['"n": 1e400', '"n": -0', '"n": 18446744073709551616', '"x": 1E5'])))
    return ("{" + ", ".join(pieces) + "}").encode("utf-8", "surrogatepass")


@st.composite
def mutated(draw):
    """A line of JSON with some bytes exchanged, added or left out."""
    line = bytearray(draw(json_lines()))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(line)))
        line[start : start + draw(st.integers(0, 2))] = draw(st.one_of(st.binary(max_size=2), st.sampled_from([b"\\"])))
    return bytes(line).replace(b"\n", b"")


def outcome(parse, line):
    try:
        text, fields = parse(line, WANTED)
    except UnusableError as reason:
        return str(reason)
    return text, [(name, type(kept), kept) for name, kept in fields.items()]


@given(st.one_of(mutated(), json_lines(), st.binary(max_size=30)))
@example(b'{"text": "a", "n": 123456789012345678901234567890}')
@example(b'{"text": "a", "n": -9223372036854775809}')
@example(b'{"text": "a", "n": -0, "f": -0.0}')
@example(b'{"text": "a", "n": 1e999}')
@example(b'{"text": "a", "n": [1e999], "m": NaN}')
@example(b'{"a": 1, "text": "x", "a": 2, "b": 3}')
@example(b'{"text": "a", "text": "a"}')
@example(b'{"text": "a", "n": [1, 2]}')
@example(b'{"text": "a", "n": [18446744073709551616]}')
@example(rb'{"text": "a \"text\": \"text\": ", "type": "text"}')
@example(rb'{"text": "a", "list": ["\ud800"]}')
@example(b'\xef\xbb\xbf{"text": "a"}')
@example(b'{"text": "a\x00"}')
@example(b'{"text": "a\x7f"}')
def test_both_parsers_agree(line):
    assert outcome(parse_line, line) == outcome(records._parse_exactly, line)


@given(st.lists(st.one_of(mutated(), json_lines(), st.just(b'{"text": "a", "score": 0.5}')), max_size=3))
@example([b'{"text": "a", "n": 1.5}', b'{"n": null, "text": "b"}'])
@example([b'["text"]'])
@example([b'"text"'])
def test_lines_that_are_parsed_together_are_what_each_is_alone(lines):
    together = parse_lines(lines, WANTED)
    if together is not None:
        assert [outcome(lambda pair, _: pair, pair) for pair in zip(*together, strict=True)] == [
            outcome(parse_line, line) for line in lines
        ]


def test_ordinary_lines_are_parsed_together():
    lines = [b'{"text": "a", "score": 0.5, "id": 3, "good": true}', b'{"title": "x", "tags": [1], "text": "b"}']
    assert parse_lines(lines, WANTED) == (["a", "b"], [{"score": 0.5, "id": 3, "good": True}, {"title": "x"}])


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting_is_left_out_or_malformed_and_never_a_crash(depth):
    line = b'{"text": "a", "x": ' + b"[" * depth + b"]" * depth + b"}"
    assert outcome(parse_line, line) == (("a", []) if depth == 100 else "malformed JSON")
