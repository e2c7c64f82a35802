"""A working directory of Snakemake as it would be seen, in a place where a look at it may write.

Snakemake writes while it only looks: the Snakefile writes the recipe's slices below `results/recipe`, and Snakemake
itself keeps house in `.snakemake`. Those two are copied; all else is named by links, which are as old as what they name
since their age is what Snakemake decides by. Nothing is written in the directory itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_OWN = {".snakemake", "results", ".alasin.lock"}
_RECORDS = ("metadata", "incomplete")
"""What below .snakemake says how files were made."""


@contextmanager
def mirrored(directory: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Make a mirror of a working directory, which is gone afterwards.

    Args:
        directory: where Snakemake works; need not exist.
        patterns: paths and patterns of raw text as the recipe gives them; those that begin with `..` are seen too.
    """
    real = directory.resolve()
    above = max(map(_steps_up, patterns), default=0)
    ancestors = [real, *real.parents][: above + 1]
    with TemporaryDirectory(prefix="alasin-explain-") as folder:
        place = Path(folder)
        for parent, child in zip(ancestors[:0:-1], ancestors[-2::-1], strict=True):
            _link_all(parent, place, {child.name})
            place = place / child.name
            place.mkdir()
        mirror = place if above else place / "work"
        mirror.mkdir(exist_ok=True)
        if real.is_dir():
            _fill(real, mirror)
        yield mirror


def _steps_up(pattern: str) -> int:
    parts = Path(os.path.normpath(pattern)).parts
    return sum(part == ".." for part in parts)


def _fill(real: Path, mirror: Path) -> None:
    _link_all(real, mirror, _OWN)
    (mirror / "results").mkdir()
    if (real / "results").is_dir():
        _link_all((real / "results").resolve(), mirror / "results", {"recipe"})
    _copy(real / "results" / "recipe", mirror / "results" / "recipe")
    for name in _RECORDS:
        _copy(real / ".snakemake" / name, mirror / ".snakemake" / name)


def _link_all(source: Path, target: Path, besides: set[str]) -> None:
    for entry in os.scandir(source):
        if entry.name in besides:
            continue
        with suppress(FileNotFoundError):  # gone since it was listed, as Snakemake may be at work
            status = entry.stat(follow_symlinks=False)
            link = target / entry.name
            link.symlink_to(source / entry.name)
            os.utime(link, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy_file)


def _copy_file(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)
