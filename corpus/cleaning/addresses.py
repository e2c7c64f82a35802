"""Addresses of e-mail, and public addresses of IP: where they stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

Place = tuple[int, int]
"""Index of the first character, and of the one after the last."""

AT = "@|[(\\[](?:at|ät|AT)[)\\]]"
"""What stands between a name and its host; those who hide from machines write it out."""
IP = "\\d\\.\\d{1,3}\\.\\d{1,3}\\.\\d|[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]"

_AT = re.compile(f" ?(?:{AT}) ?")
_NAME = re.compile(r"[\w.%+'-]*\w\Z")
_HOST = re.compile(r"(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
NAME_CHARACTERS = 64
FILES = {"css", "gif", "htm", "html", "jpeg", "jpg", "js", "json", "pdf", "png", "svg", "webp"}
"""Ends of names of files, as in `icon@2x.png`; no host ends in one."""
RESERVED = re.compile(r"(?:^|\.)example\.(?:com|net|org|fi|se)$|\.(?:example|invalid|test|localhost|local)$")
"""Hosts that are nobody's: of RFC 2606, and their like. Earlier anonymizers put them in."""

_IPV4 = re.compile(r"(?<![\w.-])(?<![^\W\d_]/)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w-]|\.[0-9]|/[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{3,34}[0-9A-Fa-f:](?![\w:])")
SMALL = 32
"""Of the four numbers of an address at random, two are at least this in 99 of 100; of a heading or version, hardly."""
_VERSION = re.compile(
    r"(?:\b(?:v|ver|build|release|firmware|update|luku|kohta|kuva|kappale|kapitel|avsnitt|punkt|chapter|section|kapihtal"
    r"|ajuri|bios|chrome|firefox|android|windows|office|linux|java)"
    r"|versi[oó]\w*|veršuvdna\w*|utgåva\w*|julkaisu\w*|päivity\w*|§)[\s.:=(]*\Z",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?:ip|ping|host|ssh|server|palvelin|address|osoite\w*|adress)[^\w\n]*(?:on|is|är)?[^\w\n]*\Z", re.I
)
BEFORE = 30
"""Characters before a number that tell what it is."""


def find_emails(text: str) -> Iterator[Place]:
    """Yield the place of each address of e-mail, in order."""
    before = done = 0
    for at in _AT.finditer(text):
        name = _NAME.search(text, max(before, done, at.start() - NAME_CHARACTERS), at.start())
        before = at.end()
        host = _HOST.match(text, at.end())
        if not name or not host or (len(at[0]) > 1 and at[0].strip() == "@"):
            continue
        if host[0].rpartition(".")[2].lower() in FILES or RESERVED.search(host[0].lower()):
            continue
        if name[0] == "git" and text.startswith(":", host.end()):  # of a repository, for ssh
            continue
        done = host.end()
        yield name.start() + len(name[0]) - len(name[0].lstrip(".%+'-")), done


def find_ip_addresses(text: str) -> Iterator[Place]:
    """Yield the place of each public address of IP, in order: first those of version 4."""
    for found in _IPV4.finditer(text):
        before = text[max(0, found.start() - BEFORE) : found.start()]
        large = sum(int(number) >= SMALL for number in found[0].split("."))
        if _is_public(found[0]) and (_TOLD.search(before) or (large > 1 and not _VERSION.search(before))):
            yield found.span()
    for found in _IPV6.finditer(text):
        address = found[0].rstrip(":") if not found[0].endswith("::") else found[0]
        if _is_public(address):
            yield found.start(), found.start() + len(address)


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
