"""Personal identity numbers of Finland and Sweden: where they stand in a text, by date and check digit.

Of random digits in the form of one, one in 31 passes the check of a Finnish henkilötunnus and one in ten that of a
Swedish personnummer, once the date is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from corpus.cleaning.addresses import BEFORE, Place

CENTURIES = {"+": 1800} | dict.fromkeys("-YXWVU", 1900) | dict.fromkeys("ABCDEF", 2000)
"""Sign in a henkilötunnus -> century of birth; since 2023 there are several for one."""
CHECKS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
"""Check characters of a henkilötunnus, by the remainder of its nine digits divided by 31."""
DASHES = "-–−‑"
"""Dashes that stand for the hyphen, which typography puts in."""
_DASH = DASHES[1:] + DASHES[0]
IDENTITY_NUMBER = f"\\d{{6}}[+A-FU-Ya-fu-y{_DASH}]?\\d{{3}}[0-9A-Ya-y]"

_FINNISH = re.compile(
    rf"(?<!\w)([0-9][0-9])([0-9][0-9])([0-9][0-9])([+A-FU-Ya-fu-y{_DASH}])([0-9]{{3}})([0-9A-Ya-y])(?!\w)"
)
_SWEDISH = re.compile(
    rf"(?<![\w+])(?<![0-9][.,-])(18|19|20)?([0-9][0-9])([0-9][0-9])([0-9][0-9])([+{_DASH}]?)([0-9]{{3}})([0-9])(?![\w{_DASH}])"
)
_TOLD = re.compile(
    r"(?:person-?n|samordningsn|\bpnr|henkilötunnu|sosiaaliturvatunnu|\bhetu|\bsotu)\w*\W*(?:är|on)?\W*\Z", re.I
)
COORDINATED = 60
"""Added to the day in a samordningsnummer, of those who are not registered in Sweden."""


def find_identity_numbers(text: str, language: str) -> Iterator[Place]:
    """Yield the place of each personal identity number, in order: first the Finnish ones.

    Ten digits without a sign between them are taken for one in Swedish text, or where the text says so.
    """
    for found in _FINNISH.finditer(text):
        if _is_finnish(*found.groups()):
            yield found.span()
    for found in _SWEDISH.finditer(text):
        century, year, month, day, sign, serial, check = found.groups()
        if not _is_swedish(century or "", year, month, day, serial + check):
            continue
        told = _TOLD.search(text, max(0, found.start() - BEFORE), found.start()) is not None
        if sign or told or ("sv" in language.split("-") if not century else not _is_time(century, serial + check)):
            yield found.span()


def _is_finnish(day: str, month: str, year: str, sign: str, serial: str, check: str) -> bool:
    century = CENTURIES["-" if sign in DASHES else sign.upper()]
    rest = int(day + month + year + serial) % len(CHECKS)
    return serial >= "002" and CHECKS[rest] == check.upper() and _is_date(century + int(year), int(month), int(day))


def _is_swedish(century: str, year: str, month: str, day: str, last: str) -> bool:
    of_birth = int(day) - COORDINATED if int(day) > COORDINATED else int(day)
    # Without a century, a leap year is one in any of them.
    return _luhn(year + month + day + last) and _is_date(int((century or "20") + year), int(month), of_birth)


def _is_time(century: str, last: str) -> bool:
    """Tell whether twelve digits may be a date and a time of our century, as in the names of files."""
    return century == "20" and last[:2] < "24" and last[2:] < "60"


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _luhn(digits: str) -> bool:
    """Tell whether the last digit is the check of the others: every other one doubled, digits added up, 0 modulo 10."""
    doubled = (int(digit) * 2 if place % 2 == len(digits) % 2 else int(digit) for place, digit in enumerate(digits))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
