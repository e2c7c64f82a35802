"""What a file is: its form and its compression, told by its name, or by its first bytes where the name does not say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.errors import UserError
from corpus.sources.decoding import DAMAGE, decoded

Form = Literal["lines", "array", "line", "blank-line", "file", "parquet", "arrow", "arrow-stream"]
PlainText = Literal["line", "blank-line", "file"]
"""What a document of plain text is; these forms are of plain text."""

COMPRESSIONS = {".gz": "gz", ".zst": "zst", ".zstd": "zst", ".xz": "xz", ".bz2": "bz2"}
FORMS: dict[str, Form | None] = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": None,
    ".txt": "line",
    ".parquet": "parquet",
    ".arrow": None,
}
"""Suffix -> form; None where the content must tell."""
MAGIC = {
    b"\x1f\x8b": "gz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bz2",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow-stream",
}
TEXT_PER_BYTE = {"": 1, "gz": 3, "zst": 4, "xz": 4, "bz2": 4}
"""Compression -> bytes of text that a byte of the file is taken for; fixed: a plan does not depend on content."""
TEXT_PER_TABLE_BYTE: dict[str, int] = {"parquet": 3}
SHOWN = {"lines": "jsonl", "array": "json", "arrow-stream": "arrow", "line": "txt", "blank-line": "txt", "file": "txt"}
TABLES: dict[str, Form] = {"parquet": "parquet", "arrow": "arrow", "arrow-stream": "arrow-stream"}
HEAD = 2**14
READ = ".jsonl, .ndjson, .json, .txt (also with .gz, .zst, .xz or .bz2 after it), .parquet or .arrow"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a file is read."""

    form: Form
    compression: str = ""
    """Empty, "gz", "zst", "xz" or "bz2"."""

    @property
    def is_table(self) -> bool:
        """Whether the file holds rows, not text."""
        return self.form in TABLES

    @property
    def splits(self) -> bool:
        """Whether ranges of the file can be read by themselves."""
        return self.form in ("parquet", "arrow") or (self.form in ("lines", "line") and self.compression in ("", "zst"))

    @property
    def text_per_byte(self) -> int:
        """Bytes of text that a byte of the file is taken for."""
        return TEXT_PER_TABLE_BYTE.get(self.form, TEXT_PER_BYTE[self.compression])

    @property
    def suffix(self) -> str:
        """The suffix by which a message calls what the file should be."""
        return f".{self.compression or SHOWN.get(self.form, self.form)}"


def kind_of(path: Path, plain_text: PlainText = "line") -> Kind:
    """Return what a file is. It is opened only if its name does not say.

    Raises:
        UserError: neither name nor content is of a form that is read.
    """
    form, compression = by_name(path)
    if form is not None:
        return Kind(plain_text if form == "line" else form, compression)
    beginning = _first_bytes(path)
    magic = magic_of(beginning)
    if path.name.lower().endswith(".arrow"):
        return Kind("arrow-stream" if magic == "arrow-stream" else "arrow")
    if magic in TABLES and not compression:
        return Kind(TABLES[magic])
    if magic in TEXT_PER_BYTE and not path.name.lower().endswith(".json"):
        compression = compression or magic
    return Kind(_form_of(path, head(path, compression)), compression)


def by_name(path: Path) -> tuple[Form | None, str]:
    """Return form and compression as far as a name tells them."""
    name = path.name.lower()
    last = Path(name).suffix
    compression = COMPRESSIONS.get(last, "")
    suffix = Path(name.removesuffix(last)).suffix if compression else last
    form = FORMS.get(suffix)
    return (None if compression and form == "parquet" else form), compression


def magic_of(beginning: bytes) -> str:
    """Return what the first bytes of a file are the mark of: a compression, a table's form, or nothing."""
    return next((name for magic, name in MAGIC.items() if beginning.startswith(magic)), "")


def head(path: Path, compression: str) -> bytes:
    """Return the first bytes of a file's content, some thousand; what is damaged ends early."""
    found = b""
    try:
        for block in decoded(path, compression):
            found += block[:HEAD]
            if len(found) >= HEAD:
                break
    except (EOFError, *DAMAGE):
        pass
    except OSError as error:
        if error.errno is not None:
            raise
    return found[:HEAD]


def _form_of(path: Path, content: bytes) -> Form:
    text = content.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"["):
        return "array"
    if re.match(rb"\{\s*\n", text):
        raise UserError(f"{path} is one JSON object over many lines; write a list of records, or a record a line.")
    if text.startswith(b"{") or not text:
        return "lines"
    raise UserError(
        f"{path} is not {READ}, and what it holds is no JSON; convert it, or let the name of plain text end in .txt."
    )


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(8)


def problem_in(path: Path, kind: Kind) -> str | None:
    """Return a sentence if a file's first bytes, or its last, show that it is not of its kind; else None."""
    beginning = _first_bytes(path)
    if not beginning:
        return None
    magic = magic_of(beginning)
    wanted = kind.compression or (kind.form if kind.is_table else "")
    if magic != wanted and (wanted or magic):
        really = f"looks like .{magic.removesuffix('-stream')}" if magic else "is none inside"
        return f"{path} ends like a {kind.suffix} file but {really}; rename it, or fetch it again."
    if kind.form == "parquet" and not _ends_with(path, b"PAR1"):
        return f"{path} is cut short; fetch or copy it again."
    if kind.is_table:
        return None
    return next(_problems_of_text(path, kind, head(path, kind.compression)), None)


def _ends_with(path: Path, mark: bytes) -> bool:
    with open(path, "rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - len(mark)))
        return stream.read() == mark


def _problems_of_text(path: Path, kind: Kind, content: bytes) -> Iterator[str]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield f"{path} is UTF-16; save it as UTF-8."
    if b"\0" in content:
        yield f"{path} holds zero bytes, which no text does; give files of text."
    lines = content.removeprefix(BYTE_ORDER_MARK).splitlines()
    begun = [line.lstrip() for line in (lines if len(content) < HEAD else lines[:-1]) if line.strip()]
    if kind.form == "lines" and begun and not any(line.startswith((b"{", b"[")) for line in begun):
        yield f"{path} holds no JSON, a record a line; if it is plain text, let its name end in .txt."
