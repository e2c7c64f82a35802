"""Repair mends what is damaged, leaves all else bit for bit, and has nothing to do a second time."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.repair import COMBINING, KINDS, MOST_PASSES, repair

PIECES = (
    *("Ã¤", "Ã", "Â", "â€œ", "Å", "Ä‘", "\x85", "\x9d", "√§", "ä", "č", "a", "A", " ", "\n", "”", "²"),
    *("&amp;", "amp;", "&", "#10;", "eacute;", "&#x85;", "&shy;", "<", "b>", "\r", "\x1b[1m", "\x1b", "[", "m", "\x00"),
    *("\xad", "\u0308", "\u030a", "\u212b", "\ufeff", "\u2028", "\u200d", "क", "\u093c"),
)


def mended(text: str) -> tuple[str, set[str]]:
    """Return a text as it is repaired, and the kinds of repair."""
    (one,), kinds = repair([text.encode()])
    return one.decode(), set(kinds)


@pytest.mark.parametrize(
    ("kind", "damaged", "meant"),
    [
        ("HTML entities", "Ihmiset &amp; oikeudet &ndash; &auml;&#228;&#xE4; &nbsp;", "Ihmiset & oikeudet – äää \xa0"),
        ("HTML entities", "twice: &amp;eacute;", "twice: é"),
        ("control characters", "a\r\nb\rc\x0cd\u2028e", "a\nb\nc\nd\ne"),
        ("control characters", "\ufeffT\x00e\x00x\x00t\x7f \x1b[31mred\x1b[0m", "Text red"),
        ("soft hyphens", "kansalais\xadyhteis\xad\nkunta\xad\n", "kansalaisyhteiskunta\n"),
        ("NFC", "a\u0308 \u212b c\u030c", "ä Å č"),
    ],
)
def test_what_is_damaged_is_mended_and_its_kind_is_counted(kind: str, damaged: str, meant: str) -> None:
    assert mended(damaged) == (meant, {kind})


def test_texts_are_counted_once_a_kind_and_clean_ones_are_the_same_objects() -> None:
    texts = [text.encode() for text in ("Selvä.", "p&auml;&auml;t\xads", "p\xada\xada", "tyhjä: \t\n", "\x00")]
    repaired, kinds = repair(texts)
    assert [one.decode() for one in repaired] == ["Selvä.", "pääts", "paa", "tyhjä: \t\n", ""]
    assert kinds == {"HTML entities": 1, "soft hyphens": 2, "control characters": 1}
    assert repaired[0] is texts[0]
    assert repaired[3] is texts[3]


@pytest.mark.parametrize(
    "text",
    [
        "\tsarake\n\n\nrivi  \n",
        "”kaarevat” ’lainaus’ ’merkit’ ﬁ Ｗｉｄｅ Ⅷ ½ …",
        "می\u200cخواهم 👩\u200d👩\u200d👧 \u200bא\u200f \u2067",
        "<p>näytä &lt;b&gt; ja &amp;</p>",
        "AT&T; R&D; Q&A: a&b=c &unknown; &",
        "lost before: \ufffd",
        "",
    ],
)
def test_what_is_no_damage_stays(text: str) -> None:
    assert mended(text) == (text, set())


def test_a_text_made_to_change_without_end_is_left_as_it_came() -> None:
    deep = "&" + "amp;" * (MOST_PASSES + 2) + " Ã¤"
    assert mended(deep) == (deep, set())
    assert mended("&" + "amp;" * (MOST_PASSES - 2) + " Ã¤") == ("& ä", {"HTML entities", "encoding"})


def test_marks_without_end_are_left_as_they_came() -> None:
    endless = "a" + "\u0315\u0300" * 100_000
    assert mended(endless) == (endless, set())


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
def test_a_repaired_text_needs_no_repair(text: str) -> None:
    once, kinds = mended(text)
    assert kinds <= set(KINDS)
    assert (once == text) == (not kinds)
    assert mended(once) == (once, set())
    if kinds:
        assert unicodedata.is_normalized("NFC", once)


def test_no_character_that_nfc_may_change_escapes_the_first_look() -> None:
    combining = re.compile(COMBINING)
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    changed = {c for c in characters if unicodedata.combining(c) or unicodedata.normalize("NFC", c) != c}
    pairs = (unicodedata.decomposition(c).split() for c in characters)
    changed |= {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and "<" not in pair[0]}
    assert not [c for c in changed if not combining.match(c)]
    assert not any(map(combining.match, "abcåäöčđŋŧžœβЖ“”–€™½→"))
