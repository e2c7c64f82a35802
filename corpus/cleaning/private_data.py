"""Private data in texts, replaced by placeholders: e-mail, telephone numbers, addresses of IP, identity numbers.

The placeholders are those of StarCoder's data, `<EMAIL>` and `<IP_ADDRESS>`, and two after their pattern. A made-up
address, as FineWeb puts in, looks like text: it cannot be told from what is left, and a model learns it by heart. These
are three to five tokens of a byte-level BPE, and a word that nobody writes otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpus.cleaning.addresses import AT, IP, Place, find_emails, find_ip_addresses
from corpus.cleaning.identity_numbers import IDENTITY_NUMBER, find_identity_numbers
from corpus.cleaning.phones import FOUND, SIX_DIGITS, find_phones
from corpus.cleaning.searching import holding


@dataclass(frozen=True)
class Kind:
    """A kind of private data."""

    placeholder: str
    pattern: str
    """What texts hold that may hold it, as RE2 reads it."""
    find: Callable[[str, str], Iterator[Place]]
    """Given a text and its language, yields the places of it."""


KINDS = {
    "email": Kind("<EMAIL>", AT, lambda text, _: find_emails(text)),
    "ip_address": Kind("<IP_ADDRESS>", IP, lambda text, _: find_ip_addresses(text)),
    "identity_number": Kind("<IDENTITY_NUMBER>", IDENTITY_NUMBER, find_identity_numbers),
    "phone": Kind(FOUND, SIX_DIGITS, find_phones),
}
"""Kinds by name, in the order in which they are replaced: what is of one kind is of no later one."""


def replace_private_data(
    texts: Sequence[bytes], kinds: Iterable[str], language: str
) -> tuple[list[bytes], Counter[str]]:
    """Return texts with placeholders for private data, and how often each kind was replaced.

    A text without any is returned as the same object.

    Args:
        texts: UTF-8.
        kinds: names in `KINDS`.
        language: ISO 639 code, or a pair of them, which tells the forms of numbers.
    """
    replaced, counts = list(texts), Counter[str]()
    for name in (name for name in KINDS if name in set(kinds)):
        kind = KINDS[name]
        for index in holding(replaced, kind.pattern):
            text = replaced[index].decode()
            if places := sorted(set(kind.find(text, language))):
                replaced[index] = _with(kind.placeholder, text, places).encode()
                counts[name] += len(places)
    return replaced, counts


def _with(placeholder: str, text: str, places: list[Place]) -> str:
    """Return a text with a placeholder in each of the places, which are in order and do not meet."""
    starts, ends = zip(*places, strict=True)
    return placeholder.join(text[end:start] for end, start in zip((0, *ends), (*starts, len(text)), strict=True))
