"""Files that are either whole or absent, their checksums, and errors a person can act on."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class UserError(Exception):
    """Something a person can mend. Its text says what is wrong, where, and what to do next."""


def run_command(main: Callable[[], None], refused: int = 1) -> None:
    """Run a stage's `main`; a `UserError` or an `OSError` becomes one sentence and exit status 1, Ctrl-C 130.

    `refused` is the status, instead of 1, of errors that remain until a person has done something: `UserError`, and a
    full disk. Every other exception is a bug and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(refused)
    except KeyboardInterrupt:
        print("stopped before the end; run the same command again.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        full = error.errno in _NO_SPACE
        hint = " Free some space there and run the same command again." if full else ""
        print(f"error: {error.strerror or error}{where}.{hint}", file=sys.stderr)
        sys.exit(refused if full else 1)


def matching_files(pattern: str) -> list[str]:
    """Return what a path or a glob pattern names, sorted. A path that exists is itself, whatever brackets it holds."""
    if os.path.lexists(pattern):
        return [pattern]
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (may be absolute)


@contextmanager
def atomic_file(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success fsync it and rename it to `path`, else remove it.

    `mode` is "wb" or "w" (UTF-8). A reader of `path` sees the old file or the whole new one, never a part. The
    `OSError` of a full disk names `path`, though the system's does not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(staged, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(path)
    except OSError as error:
        if error.filename is None and error.errno in _NO_SPACE:
            error.filename = str(path)
        raise
    finally:
        staged.unlink(missing_ok=True)
    fsync_directory(path.parent)


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
