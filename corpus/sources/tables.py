"""Rows of Arrow's tables become documents: which columns are read, and what a row of them holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from common.errors import UserError
from corpus.sources.fields import Wanted
from corpus.sources.reading import SpanReader
from corpus.sources.records import Batch, Reject, UnusableError, excerpt, parse_row


class TableReader(SpanReader):
    """Reads rows that come as Arrow's batches of some hundred."""

    damage = (pa.ArrowException,)

    def _batches_of(self, rows: Any) -> Iterator[Batch]:
        names = rows.schema.names
        batch = Batch(self.span.path)
        for values in zip(*map(_values, rows.columns), strict=True):
            self.line += 1
            self.offset += 1
            row = dict(zip(names, values, strict=True))
            try:
                text, fields = parse_row(row, self.wanted)
            except UnusableError as reason:
                shown = excerpt(row.get(self.wanted.texts[0], ""))
                batch.rejects.append(Reject(batch.file, self.line, str(reason), shown, reason.fields))
            else:
                self.consumed += len(text)
                batch.add([text], [fields], [self.line])
            if self.consumed >= self.limit:
                yield batch
                batch = Batch(self.span.path)
        yield batch


def columns_of(schema: Any, wanted: Wanted, path: Path) -> list[str]:
    """Return what is read of a table: its scalar columns, and of nested ones what is wanted, as paths of Parquet.

    Raises:
        UserError: two columns have one name, or none is that of the text.
    """
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise UserError(f"{path} has more than one column {twice[0]!r}; write it again with one of each name.")
    texts = {name: _path_in(schema, name) for name in wanted.texts}
    for name, found in texts.items():
        if found is None:
            raise UserError(
                f"{path} has no column {name!r}, only {', '.join(_paths(schema))}; set `text_field` of this source."
            )
    deeper = [found for name in wanted.lifted if (found := _path_in(schema, name)) is not None]
    return list(
        dict.fromkeys(
            [*(field.name for field in schema if _is_scalar(field.type)), *filter(None, texts.values()), *deeper]
        )
    )


def _path_in(schema: Any, name: str) -> str | None:
    """Return the part of a path that leads through structs to a column's leaf or list; None if it leads nowhere."""
    if name in schema.names:
        return name
    first, dot, rest = name.partition(".")
    if not dot or first not in schema.names:
        return None
    path, kind = first, schema.field(first).type
    while rest and pa.types.is_struct(kind):
        inner = next((field.name for field in kind if rest == field.name or rest.startswith(f"{field.name}.")), None)
        if inner is None:
            return None
        path, kind, rest = f"{path}.{inner}", kind.field(inner).type, rest[len(inner) + 1 :]
    return path if not rest or _is_list(kind) else None


def _paths(fields: Any, before: str = "") -> Iterator[str]:
    for field in fields:
        if pa.types.is_struct(field.type) and field.type.num_fields:
            yield from _paths(field.type, f"{before}{field.name}.")
        else:
            yield before + field.name


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


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
    raw = _raw(column.type)
    return list((column if raw == column.type else column.cast(raw)).to_pylist())


def _raw(kind: Any) -> Any:
    """Return a type with bytes where it has strings, at any depth."""
    if _is_textual(kind):
        return pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _raw(field.type)) for field in kind])
    if pa.types.is_large_list(kind):
        return pa.large_list(_raw(kind.value_type))
    if pa.types.is_list(kind):
        return pa.list_(_raw(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_raw(kind.value_type), kind.list_size)
    return kind
