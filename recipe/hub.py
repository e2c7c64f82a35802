"""Addresses of files on the Hugging Face hub, as a recipe names them; nothing here reaches it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

PREFIX = "hf://"
MAIN = "main"
_ADDRESS = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)(?:@(refs/(?:convert|pr)/[^/]+|[^/]+))?/([^/].*)")


@dataclass(frozen=True)
class Address:
    """Files of a data set on the hub."""

    repository: str
    """Organisation and name."""
    revision: str
    """A branch, a tag or a commit."""
    pattern: str
    """Path in the repository, with or without wildcards."""


def is_on_hub(path: str) -> bool:
    """Tell whether what a recipe names is on the hub."""
    return path.startswith(PREFIX)


def address_of(path: str) -> Address:
    """Return the files that an address names.

    Raises:
        ValueError: it is none of a data set; the text says what one is.
    """
    found = _ADDRESS.fullmatch(path)
    if not found or ".." in found[3].split("/"):
        raise ValueError(
            "needs hf://datasets/ORGANISATION/NAME/PATH, where @REVISION may follow NAME and PATH may hold wildcards"
        )
    return Address(found[1], unquote(found[2] or MAIN), found[3])


def checked(path: str) -> str:
    """Return a path of a recipe. Raises `ValueError` for one that begins like an address on the hub and is none."""
    if is_on_hub(path):
        address_of(path)
    return path


def list_name(paths: Iterable[str]) -> str:
    """Return what the list of the files of some addresses is called: the same for the same addresses in their order."""
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()[:16]
