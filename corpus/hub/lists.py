"""The list of what was fetched for a source: which files its addresses named, at which commit, and where they are.

It is written when all are here, and is all that is asked for afterwards: the files may be deleted once the source has
been sampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from common.errors import UserError
from common.files import read_json, write_json
from corpus.hub.files import HubFile
from recipe.hub import is_on_hub

FORMAT = 1


def write_list(path: Path, fetched: Iterable[tuple[str, HubFile, Path]]) -> None:
    """Write the list of (address, file on the hub, where it is)."""
    files = [{"address": address, "path": str(place), **asdict(file)} for address, file, place in fetched]
    write_json(path, {"format": FORMAT, "files": files})


def local_files(patterns: Iterable[str], path: Path | None) -> list[str]:
    """Return paths and patterns with what was fetched in place of addresses on the hub.

    Args:
        patterns: of a source.
        path: the list of what was fetched.

    Raises:
        UserError: there is no list, it has not what is asked for, or what it has is gone.
    """
    return [file for one in patterns for file in (_fetched(path, one) if is_on_hub(one) else [one])]


def _fetched(path: Path | None, address: str) -> list[str]:
    """Return where the files are that an address names, in the order of their names on the hub."""
    if path is None:
        raise UserError(f"{address} is on the hub; fetch it with `python -m corpus.hub`, and give --hub its list.")
    entries = [entry for entry in read_json(path)["files"] if entry["address"] == address]
    if not entries:
        raise UserError(f"{path} does not say what {address} is; delete it, and it is made again.")
    for entry in entries:
        place = Path(entry["path"])
        if not place.is_file() or place.stat().st_size != entry["bytes"]:
            raise UserError(
                f"{place}, fetched as {entry['name']}, is not as it was; delete {path}, and it is fetched again."
            )
    return [entry["path"] for entry in entries]
