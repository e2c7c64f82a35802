"""A source that was sampled under another name: what was made then is what is asked for now.

Nothing of a source but its manifest knows its name. Its parts get a second name, by hard links where the file system
has them, so that the one may be deleted without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.files import link_or_copy, read_json, write_json
from common.listed import problem_with
from corpus.sampling.documents import SPLITS, read_manifest
from corpus.sampling.origins import ORIGINS, differences, same_source, slice_digest
from corpus.sampling.parts import RECORD
from recipe.slices.types import SourceSlice


def take_over(source: SourceSlice, manifest: Path, present: list[str]) -> Mapping[str, Any] | None:
    """Make a source's documents from those of another name; return the manifest, or None if there are none.

    Args:
        source: what is asked for.
        manifest: where its manifest goes.
        present: its raw files that are there. Where they are not those that were sampled, nothing is taken over.
    """
    for other in same_source(manifest, slice_digest(source)):
        content = read_manifest(other)
        entries = [entry for split in SPLITS for entry in content["splits"][split]["files"]]
        whole = not any(problem_with(other.parent, entry, checksum=False) for entry in entries)
        if whole and not differences(other, present):
            manifest.parent.mkdir(parents=True, exist_ok=True)
            records = [path.name for path in other.parent.glob(f"{RECORD}-*.json")]
            for name in [*(entry["name"] for entry in entries), *records]:
                link_or_copy(other.parent / name, manifest.parent / name)
            write_json(manifest.with_name(ORIGINS), read_json(other.with_name(ORIGINS)))
            made: dict[str, Any] = content | {"source": source.name}
            write_json(manifest, made)
            return made
    return None
