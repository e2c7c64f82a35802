"""Repair of texts: entities of HTML, misread encodings, control characters, soft hyphens, NFC.

Most texts need nothing: one pass over a batch finds those that may, and only they are looked at one by one. What is
done to one may uncover more (`&amp;eacute;`), so it is done until nothing changes: what is repaired stays as it is when
it is repaired again. Newlines and tabs stay; so do what joins or separates letters without width, quotes, ligatures and
wide forms, which are text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from ftfy.fixes import remove_terminal_escapes, unescape_html

from corpus.cleaning.mojibake import SIGN, read_anew
from corpus.cleaning.searching import holding

ENTITY = "&#?[0-9A-Za-z]{1,24};"
CONTROL = "[\\x00-\\x08\\x0b-\\x1f\\x7f\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffc]"
"""Control characters that are no newline or tab, other ends of lines, and characters for programs to read."""
SOFT_HYPHEN = "\xad"
COMBINING = (
    "[\u0300-\u036f\u0374\u037e\u0387\u0483-\u0487\u0591-\u1fff\u2000\u2001\u20d0-\u20f0\u2126\u212a\u212b\u2329"
    "\u232a\u2adc\u2cef-\u2cf1\u2d7f\u2de0-\u2dff\u302a-\u302f\u3099\u309a\ua66f-\U0010ffff]"
)
"""All characters that NFC may change, or that may change others; and for the sake of brevity many that are neither."""
MOST_PASSES = 8
"""A text that still changes then was made to do so, and is left as it came."""

_MARKUP = re.compile("<[A-Za-z/!]")
_OTHER_LINE_ENDS = re.compile("[\r\x0b\x0c\u2028\u2029]")
_DROPPED = re.compile("[\\x00-\\x08\\x0e-\\x1f\\x7f\x80-\x9f\u206a-\u206f\ufeff\ufff9-\ufffc]")
_ENDLESS_MARKS = re.compile(COMBINING + "{1000}")
_SOFT_HYPHENS = re.compile("\xad+(?:\n(?=[^\\W\\d_]))?")


def repair(texts: Sequence[bytes]) -> tuple[list[bytes], Counter[str]]:
    """Return texts as they were meant, and how many of them each kind of repair changed.

    A text that needs nothing is returned as the same object. One of nothing but control characters becomes empty.

    Args:
        texts: UTF-8.
    """
    repaired, kinds = list(texts), dict[int, set[str]]()
    left = holding(texts, "|".join(pattern for pattern, _ in _STEPS.values()))
    for _ in range(MOST_PASSES):
        left = _pass_over(left, repaired, kinds)
    for index in left:
        repaired[index] = texts[index]
        kinds[index].clear()
    return repaired, Counter(kind for of_text in kinds.values() for kind in of_text)


def _pass_over(indices: Sequence[int], texts: list[bytes], kinds: dict[int, set[str]]) -> list[int]:
    """Take some of the texts through the steps, note what kinds of repair changed each, and return which changed."""
    changed = set()
    for kind, (pattern, step) in _STEPS.items():
        for place in holding([texts[index] for index in indices], pattern):
            index = indices[place]
            text = texts[index].decode()
            if (after := step(text)) != text:
                texts[index] = after.encode()
                kinds.setdefault(index, set()).add(kind)
                changed.add(index)
    return sorted(changed)


def _without_entities(text: str) -> str:
    """Return a text with the characters that entities of HTML stand for.

    A text that shows markup may well mean the entities that it shows.
    """
    return text if _MARKUP.search(text) else unescape_html(text)


def _without_control(text: str) -> str:
    """Return a text with newlines for all ends of lines and pages, and without other control characters."""
    text = _OTHER_LINE_ENDS.sub("\n", text.replace("\r\n", "\n"))
    return _DROPPED.sub("", remove_terminal_escapes(text))


def _without_soft_hyphens(text: str) -> str:
    """Return a text without the places where a word may be divided, and a word whole that was, at the end of a line."""
    return _SOFT_HYPHENS.sub("", text)


def _composed(text: str) -> str:
    """Return a text in NFC. To sort marks without end over one letter takes the square of their number: not done."""
    return text if _ENDLESS_MARKS.search(text) else unicodedata.normalize("NFC", text)


_STEPS: dict[str, tuple[str, Callable[[str], str]]] = {
    "HTML entities": (ENTITY, _without_entities),
    "encoding": (SIGN, read_anew),
    "control characters": (CONTROL, _without_control),
    "soft hyphens": (SOFT_HYPHEN, _without_soft_hyphens),
    "NFC": (COMBINING, _composed),
}
"""Kind of repair -> what texts that may need it hold, and what is done to them; in order."""
KINDS = tuple(_STEPS)
