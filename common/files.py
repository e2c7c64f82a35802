"""Files that are either whole or absent, and their checksums."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from common.errors import NO_SPACE, UserError


def matching_files(pattern: str) -> list[str]:
    """Return what a path or a glob pattern names, sorted. A path that exists is itself, whatever brackets it holds."""
    if os.path.lexists(pattern):
        return [pattern]
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (may be absolute)


def each_once(paths: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return the files that paths name, each once, and path -> the one before it that is the same file.

    Links of both kinds are followed. What does not exist is a file of its own.
    """
    found: dict[object, str] = {}
    again: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        try:
            status = os.stat(path)  # noqa: PTH116 (a path as it was written)
        except OSError:
            found[path] = path
            continue
        first = found.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            again[path] = first
    return list(found.values()), again


@contextmanager
def atomic_file(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success fsync it and rename it to `path`, else remove it.

    `mode` is "wb" or "w" (UTF-8). A reader of `path` sees the old file or the whole new one, never a part. The
    `OSError` of a full disk names `path`, though the system's does not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs on several nodes may write the same file, and their numbers of processes may be equal.
    staged = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        with full_disk_names(path), open(staged, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    fsync_directory(path.parent)


def remove_staged(path: Path) -> None:
    """Remove what killed attempts at writing a file left beside it; no other one may be at work."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        left.unlink(missing_ok=True)


@contextmanager
def full_disk_names(path: Path) -> Iterator[None]:
    """Let the `OSError` of a full disk in the block name `path`, where it names no file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in NO_SPACE:
            error.filename = str(path)
        raise


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or a durable copy where the file system has no hard links; `target` is replaced.

    Raises:
        FileNotFoundError: there is no `source`.
    """
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
        with open(target, "rb+") as stream:
            os.fsync(stream.fileno())


def fsync_directory(directory: Path) -> None:
    """Make renames inside `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented UTF-8 JSON with sorted keys, atomically: equal content gives equal bytes."""
    with atomic_file(path, "w") as stream:
        json.dump(content, stream, indent=1, sort_keys=True, ensure_ascii=False)
        stream.write("\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises `UserError` naming the file if it is absent or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; the stage that makes it has not run.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and run again to remake it.") from None


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(paths: Iterable[Path]) -> str:
    """Return one hexadecimal SHA-256 for the bytes of several files: that of theirs, joined.

    Raises:
        UserError: a file is absent.
    """
    try:
        return hashlib.sha256("".join(map(sha256_of, paths)).encode()).hexdigest()
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} does not exist; the stage that makes it has not run.") from None
