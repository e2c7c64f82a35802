"""What a file of wandb's holds, read back without wandb's own reader: blocks of 32 KiB of records, as LevelDB's log."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_BLOCK = 1 << 15
_HEADER = 7
_FULL, _LAST = 1, 4


def records(path: Path) -> Iterator[Any]:
    """Yield wandb's records, one after another."""
    from wandb.proto import wandb_internal_pb2

    data, place, parts = path.read_bytes(), _HEADER, b""
    while place + _HEADER <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + _HEADER : place + _HEADER + size]
        place += _HEADER + size
        if kind in (_FULL, _LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def in_order(folder: Path) -> list[Path]:
    """Return the files of all finished segments of one run, in the order of their upload."""
    return sorted(folder.glob("offline-run-*/*.wandb"), key=lambda path: path.parent.name.split("-")[-2])


def rows(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the rows of segments, wandb's own names left out but `_step`."""
    found = []
    for record in (record for path in files for record in records(path)):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            row = {name: json.loads(value) for name, value in items.items()}
            found.append({name: value for name, value in row.items() if name not in ("_timestamp", "_runtime")})
    return found


def run_of(files: Iterable[Path]) -> Any:
    """Return what the last of some segments says of its run."""
    return [one.run for path in files for one in records(path) if one.HasField("run")][-1]
