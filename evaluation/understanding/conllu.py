"""Treebanks of Universal Dependencies: sentences of words and their parts of speech, from CoNLL-U.

The format is https://universaldependencies.org/format.html: ten columns with tabs between, a word a line, a blank line
after each sentence. A multiword token (`3-4`) is left out, for the words that it stands for follow it; so is an empty
node (`3.1`), which is no word of the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.errors import UserError

COLUMNS = 10
FORM, TAG = 1, 3
NONE = "_"


def read_conllu(content: bytes, path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield the place, the words and the UPOS tags of each sentence.

    Args:
        content: of the file, decompressed.
        path: its name, for the places.

    Raises:
        UserError: a line is no line of CoNLL-U, or a word has no tag.
    """
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*content.split(b"\n"), b""], 1):
        text = line.decode(errors="replace").rstrip("\r")
        if not text:
            if words:
                yield f"{path} line {number - len(words)}", words, tags
            words, tags = [], []
            continue
        if text.startswith("#"):
            continue
        columns = text.split("\t")
        if len(columns) != COLUMNS:
            raise UserError(f"{path} line {number} is not {COLUMNS} columns with tabs between, as CoNLL-U has them.")
        if "-" in columns[0] or "." in columns[0]:
            continue
        if columns[TAG] == NONE:
            raise UserError(f"{path} line {number}: the word {columns[FORM]!r} has no part of speech; tag it.")
        words.append(columns[FORM])
        tags.append(columns[TAG])
