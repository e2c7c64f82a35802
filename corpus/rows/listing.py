"""Sets of packed rows by what their JSON says, without opening one: the list of what a phase reads, and each index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from common.listed import refuse_changed
from corpus.rows.keys import derive_key

FORMAT = 2
INDEX = "index.json"
COMMAND = "python -m corpus.rows.index"


def read_index(index_path: Path) -> dict[str, Any]:
    """Read an `index.json`. Raises `UserError` if it is absent or of another format."""
    index = read_json(index_path)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise UserError(f"{index_path} is not an index of rows of format {FORMAT}; {advice(index_path)}.")
    return index


def read_list(path: Path) -> dict[tuple[str, str], Path]:
    """Return (source, rowset) -> index of each set of rows that a `rows.json` lists.

    Raises:
        UserError: the list is absent or of another format, or an index is absent or not the one that was listed.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT or "sets" not in content:
        raise UserError(f"{path} is not a list of rows of format {FORMAT}; {advice(path)}.")
    indexes = {}
    for one in content["sets"]:
        index = Path(os.path.normpath(path.parent / one["index"]))
        refuse_changed(index.parent, {"name": index.name, "sha256": one["sha256"]}, advice(path))
        indexes[one["source"], one["rowset"]] = index
    return indexes


def text_identity(index: Mapping[str, Any]) -> str:
    """Return what tells the ids behind a set of rows from any others, 32 hexadecimal digits.

    It is the same for every row length and range of words of a source's split, and knows no name: a source that is
    called otherwise, or stands in another recipe, is the same text.
    """
    return derive_key("text", *(part["sha256"] for part in index["parts"])).hex()[:32]


def advice(path: Path) -> str:
    """Say what to do where a set of rows is not what it was."""
    return f"delete {path} and run {COMMAND} again"
