"""Telephone numbers: where they stand in a text.

`phonenumbers`, the metadata of all countries' numbers, says which digits may be one: in some country, most runs of
eight. So digits are looked at where they stand in a form that people give to numbers, in the countries where the text's
language is spoken, or where the text says what they are. Dates, times, and numbers that have a check digit or a name of
their own are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from phonenumbers import NumberParseException, is_valid_number, parse

from corpus.cleaning.addresses import BEFORE, Place

_NORTH = ("NO", "SE", "FI")
COUNTRIES = {
    "fi": ("FI",),
    "sv": ("SE", "FI"),
    "en": ("US", "GB"),
    **dict.fromkeys(("se", "sme", "smj", "sma"), _NORTH),
    **dict.fromkeys(("smn", "sms"), ("FI",)),
    **dict.fromkeys(("nb", "nn", "no"), ("NO",)),
    "da": ("DK",),
    "et": ("EE",),
    "de": ("DE", "AT", "CH"),
}
"""Language -> countries whose numbers are known without the country's code. In other languages none are."""

FOUND = "<PHONE>"
"""What a number becomes. Where it is told that one is of a telephone, so it is of a second one after it."""
_GAP = "(?: ?[–‑-] ?|[ \xa0./]|\\)[ -]?| ?\\(0\\) ?)?"
SIX_DIGITS = f"[0-9](?:{_GAP}[0-9]){{5}}"
_RUN = re.compile(f"[+(]{{0,2}}[0-9](?:{_GAP}[0-9]){{5,}}")
_GROUP = re.compile("[^ \xa0/]+")
MOST_GROUPS = 12
"""More numbers with spaces between them are a table."""
_APART = re.compile("[+(0]|[0-9]*[.:–‑-]")
"""Beginning of a group of digits that is a number, or a date, by itself."""

_TRUNK = re.compile(
    "\\(?0[0-9]{1,4}\\)?(?: ?[–‑/-] ?|[ \xa0](?![0-9]{2}[ \xa0-]))[0-9]{2,8}(?:[ \xa0-][0-9]{2,4}){0,4}|0[457][0-9]{8}"
)
_AMERICAN = re.compile("\\([0-9]{3}\\) ?[0-9]{3}-[0-9]{4}|(?:1-)?[0-9]{3}([ .-])[0-9]{3}\\1[0-9]{4}")
_NORWEGIAN = re.compile("[0-9]{3}[ \xa0][0-9][0-9][ \xa0][0-9]{3}")
FORMS = {"US": _AMERICAN, "NO": _NORWEGIAN}
"""Country -> forms in which its numbers are known by themselves; in others the area comes first, with its 0."""
FEWEST_DIGITS = 8
"""Of such a number; shorter ones are known where the text says what they are."""

_DATE_OR_TIMES = re.compile(
    "(?:0?[1-9]|[12][0-9]|3[01])([ .–‑/-])(?:0?[1-9]|1[0-2])\\1(?:19|20)?[0-9]{2}"
    "|[0-9]{4}-[0-9]{2}-[0-9]{2}|[12][0-9]{3}[–‑-][0-9]{2,4}|[0-9]{1,2}[ .][0-9]{2}[–‑-][0-9]{1,2}[ .][0-9]{2}"
)
_BUSINESS = re.compile("[0-9]{6,7}-[0-9]|[0-9]{4}-[0-9]{4}")
_PAIRS = re.compile("[0-9][0-9](?:[ \xa0][0-9][0-9]){3,}")
_TOLD = re.compile(
    r"(?:\bp\.|\b(?:puh|tel|gsm|tlf|mob|call|fax|faksi?|sms|whatsapp)\b|\b(?:soi[td]|ring|riŋge|dial)[^\W\d]*"
    r"|(?:puhelin|matkap|phone|telefo|mobil)[^\W\d]*)[^\n\d]{0,16}\Z",
    re.IGNORECASE,
)
"""End of what stands before a number that is said to be one of a telephone."""
_OTHER = re.compile(
    r"(?:isbn|issn|iban|tunnus|viite|tilau|lasku|asiakas|faktura|order|invoice|referen|\bref|kund|ärende|artikel|tuote"
    r"|serial|sarja|dnro|diaari|\borg|\bdoi|konto|tili|\bvat\b|account|patent)[^\W\d]*[^\n\d]{0,16}\Z",
    re.IGNORECASE,
)
"""The same of a number that is said to be another."""


def find_phones(text: str, language: str) -> Iterator[Place]:
    """Yield the place of each telephone number, in order."""
    countries = [country for one in language.split("-") for country in COUNTRIES.get(one, ())]
    said, done = "", 0
    for run in _RUN.finditer(text):
        if not _stands_alone(text, *run.span()):
            continue
        before = (said + text[max(done, run.start() - BEFORE) : run.start()])[-BEFORE:]
        for start, end in _numbers_in(run[0], before, countries):
            done = run.start() + end
            said = before + FOUND
            yield run.start() + start, done


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Tell whether digits are no part of a word, an amount, a link or a longer number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (before[-1].isalnum() or before[-1] in "_=#@$€£%&"):
        return False
    if len(before) == 2 and (
        (before[0].isdigit() and before[1] in ",.:") or (before[0].isalnum() and before[1] in "-/")
    ):
        return False
    goes_on = (after[:1] == "-" and after[1:].isalnum()) or (after[:1] in {*".,:"} and after[1:].isdigit())
    return not (goes_on or after[:1].isalnum() or after[:1] in {*"_%€$£°"})


def _numbers_in(run: str, before: str, countries: Sequence[str]) -> Iterator[Place]:
    """Yield the places of the numbers in a run of digits, the longest from each group on, given what stands before."""
    groups = [group.span() for group in _GROUP.finditer(run)]
    if len(groups) > MOST_GROUPS:
        return
    told = _TOLD.search(before) is not None
    if run.isdigit() and not told and _OTHER.search(before):
        return
    first, apart = 0, True
    while first < len(groups):
        for last in range(len(groups) - 1, first - 1, -1):
            begin, end = groups[first][0], groups[last][1]
            ends = last + 1 == len(groups) or _APART.match(run, groups[last + 1][0])
            if (told or (apart and ends)) and _is_number(run[begin:end], countries, told):
                yield begin, end
                first, apart = last + 1, True
                break
        else:
            apart = run[groups[first][1] :][:1] != "/" and _APART.match(run, groups[first][0]) is not None
            first += 1


def _is_number(digits: str, countries: Sequence[str], told: bool) -> bool:
    if digits.startswith(("+", "(+", "00")):
        return _valid(f"+{digits.lstrip('(+0')}", None)
    if _DATE_OR_TIMES.fullmatch(digits):
        return False
    if told:
        return any(_valid(digits, country) for country in countries)
    if _BUSINESS.fullmatch(digits) or sum(map(str.isdigit, digits)) < FEWEST_DIGITS or _PAIRS.fullmatch(digits):
        return False
    return any(FORMS.get(country, _TRUNK).fullmatch(digits) and _valid(digits, country) for country in countries)


def _valid(digits: str, country: str | None) -> bool:
    """Tell whether digits may be a number of a country, or one with a country's code."""
    try:
        return is_valid_number(parse(digits, country))
    except NumberParseException:
        return False
