"""Raw files become documents, one at a time, in memory that does not grow with the file.

A file is JSON Lines (`.jsonl`, also as `.jsonl.gz` or `.jsonl.zst`) or Parquet. What cannot be a document becomes a
`Reject` that tells file, line and reason, so that the stage above counts it and shows it. A file that is damaged as a
whole (cut short, of another format, absent) is a `UserError`: nothing after the damage can be trusted.

Of a record, the text and the other scalar fields are kept: strings, booleans, finite numbers. Nested values and nulls
are left out. Lines of white space only are skipped.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from common.errors import UserError
from common.files import matching_files
from corpus.sources.zstd import open_zstd

Fields = dict[str, str | int | float | bool]

MAX_LINE_BYTES = 2**30
"""A longer line is no document: most likely the file is not JSON Lines at all."""
EXCERPT_CHARACTERS = 80
PARQUET_BATCH_ROWS = 256
FOREIGN_STARTS = {b"\x1f\x8b": ".jsonl.gz", b"\x28\xb5\x2f\xfd": ".jsonl.zst", b"PAR1": ".parquet"}


@dataclass(frozen=True, slots=True)
class Document:
    """A text of at least one character, encodable as UTF-8, and where it was read. `line` counts from 1."""

    text: str
    fields: Fields
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is no document. `excerpt` is its beginning, safe to print."""

    file: str
    line: int
    reason: str
    excerpt: str


class _UnusableError(Exception):
    """A record that is no document; the text is the reason."""


def source_files(patterns: Iterable[str]) -> list[Path]:
    """Return the files that paths or glob patterns name: sorted within a pattern, each file once.

    Raises:
        UserError: a pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = matching_files(pattern)
        if not matches:
            raise UserError(
                f"no file matches {pattern!r} in {Path.cwd()}; correct `files` of this source in the recipe."
            )
        found.update(dict.fromkeys(map(Path, matches)))
    return list(found)


def read_documents(paths: Iterable[Path], text_field: str = "text") -> Iterator[Document | Reject]:
    """Yield every record of the files in order, as a `Document` or a `Reject`.

    `Reject.reason` is one of "malformed JSON", "not an object", "bad UTF-8", "no text" (absent, null or empty),
    "text is not a string", "lone surrogate" (a JSON escape that UTF-8 cannot hold).

    Raises:
        UserError: a file is missing, a directory, cut short, damaged, or not of the format its name promises.
    """
    for path in paths:
        if path.is_dir():
            raise UserError(f"{path} is a directory; name the files in it, for example {path}/*.jsonl.zst.")
        if not path.exists():
            raise UserError(f"{path} does not exist; correct `files` of this source in the recipe, or fetch the file.")
        if path.name.endswith(".parquet"):
            yield from _read_parquet(path, text_field)
        elif path.name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
            yield from _read_lines(path, text_field)
        else:
            raise UserError(f"{path} is not .jsonl, .jsonl.gz, .jsonl.zst or .parquet; convert it to one of them.")


def _read_lines(path: Path, text_field: str) -> Iterator[Document | Reject]:
    with _damage_is_told(path), _open_lines(path) as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise UserError(f"line {number} of {path} is longer than {MAX_LINE_BYTES:,} bytes; is it JSON Lines?")
            if line.isspace():
                continue
            try:
                text, fields = _parse(line, text_field)
            except _UnusableError as reason:
                yield Reject(str(path), number, str(reason), _excerpt(line))
            else:
                yield Document(text, fields, str(path), number)


def _parse(line: bytes, text_field: str) -> tuple[str, Fields]:
    try:
        record = _DECODER.decode(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _UnusableError("bad UTF-8") from None
    except (ValueError, RecursionError):
        raise _UnusableError("malformed JSON") from None
    if not isinstance(record, dict):
        raise _UnusableError("not an object")
    text = _text(record.pop(text_field, None))
    fields = _scalars(record)
    if b"\\u" in line:
        _refuse_lone_surrogates(text, fields)
    return text, fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _text(value: Any) -> str:
    if value is None or value == "":
        raise _UnusableError("no text")
    if not isinstance(value, str):
        raise _UnusableError("text is not a string")
    return value


def _scalars(record: dict[str, Any]) -> Fields:
    return {
        name: value
        for name, value in record.items()
        if isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value))
    }


def _refuse_lone_surrogates(text: str, fields: Fields) -> None:
    try:
        text.encode()
        for name, value in fields.items():
            name.encode()
            str(value).encode()
    except UnicodeEncodeError:
        raise _UnusableError("lone surrogate") from None


def _read_parquet(path: Path, text_field: str) -> Iterator[Document | Reject]:
    # A buffered, unthreaded read keeps a batch in memory instead of a whole row group.
    with _damage_is_told(path), pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
        schema = file.schema_arrow
        if text_field not in schema.names:
            present = ", ".join(schema.names)
            raise UserError(f"{path} has no column {text_field!r}, only {present}; set `text_field` of this source.")
        columns = [field.name for field in schema if field.name == text_field or _is_scalar(field.type)]
        number = 0
        for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=columns, use_threads=False):
            for values in zip(*map(_values, batch.columns), strict=True):
                number += 1
                row = dict(zip(batch.schema.names, values, strict=True))
                try:
                    text, fields = _parse_row(row, text_field)
                except _UnusableError as reason:
                    yield Reject(str(path), number, str(reason), _excerpt(row[text_field]))
                else:
                    yield Document(text, fields, str(path), number)


def _parse_row(row: dict[str, Any], text_field: str) -> tuple[str, Fields]:
    try:
        record = {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}
    except UnicodeDecodeError:
        raise _UnusableError("bad UTF-8") from None
    text = _text(record.pop(text_field))
    return text, _scalars(record)


def _is_scalar(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_textual(kind)
    )


def _is_textual(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _values(column: Any) -> list[Any]:
    """Values of a column, strings as bytes: pyarrow does not check UTF-8 when it reads, and here it must be checked."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_textual(column.type):
        column = column.cast(pa.large_binary())
    return list(column.to_pylist())


def _excerpt(value: Any) -> str:
    raw = value[: 4 * EXCERPT_CHARACTERS] if isinstance(value, str | bytes) else str(value)
    shown = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    # A raw record may hold control sequences of a terminal.
    return "".join(c if c.isprintable() else " " for c in shown.strip()[:EXCERPT_CHARACTERS])


def _open_lines(path: Path) -> io.BufferedReader:
    if path.name.endswith(".zst"):
        return open_zstd(path)
    if path.name.endswith(".gz"):
        return io.BufferedReader(gzip.open(path, "rb"), 2**18)
    stream = path.open("rb")
    for start, suffix in FOREIGN_STARTS.items():
        if stream.peek(len(start)).startswith(start):
            stream.close()
            raise UserError(f"{path} is not plain JSON Lines but looks like {suffix}; rename it to end so.")
    return stream


@contextmanager
def _damage_is_told(path: Path) -> Iterator[None]:
    """Turn what the decoders raise on a damaged file into a `UserError` that names the file."""
    kind = path.suffix[1:]
    advice = "fetch or copy it again"
    if kind != "jsonl" and path.stat().st_size == 0:
        raise UserError(f"{path} is empty, which no .{kind} file is; {advice}.")
    try:
        yield
    except EOFError:
        raise UserError(f"{path} is cut short; {advice}.") from None
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, pa.ArrowException) as error:
        raise UserError(f"{path} is damaged, or not a .{kind} file ({_one_line(error)}); {advice}.") from None
    except OSError as error:
        if error.errno is None:  # pyarrow's own, about the content; the system's have a number
            raise UserError(f"{path} is damaged, or not a .{kind} file ({_one_line(error)}); {advice}.") from None
        raise


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120].rstrip(".") if str(error) else type(error).__name__
