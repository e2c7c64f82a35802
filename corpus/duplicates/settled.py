"""What a source was compared by: so that one that is added later makes nothing of the sources before it again.

What is left of a source follows from itself and those before it, from what they are asked for, and from what is held
out. A digest of all that lies in `compared.json` beside its manifest, which is written after it. Where the digest is
what the recipe asks for now, the manifest is what the comparison would write. Nothing here needs more than a login node
has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from common.files import matching_files, read_json, sha256_of
from corpus.sampling.origins import fingerprint
from recipe.slices.types import ContaminationSlice, DuplicatesSlice, FingerprintSlice

FORMAT = 1
COMPARED = "compared.json"


def held_out_digest(slice_: ContaminationSlice, documents: Mapping[str, Path]) -> str:
    """Return a digest of all that decides what is held out.

    Args:
        slice_: what is asked for.
        documents: source -> manifest of its sampled documents, of those that hold something out.
    """
    sets = {
        name: sorted(fingerprint(Path(file)) for pattern in one.files for file in matching_files(pattern))
        for name, one in slice_.sets.items()
    }
    own = {name: _digest_of_file(documents[name]) for name in slice_.sources}
    return _digest([FORMAT, slice_.model_dump(mode="json"), own, sets])


def compared_digest(
    slice_: DuplicatesSlice,
    prints: Mapping[str, Mapping[str, Any]],
    documents: Mapping[str, Path],
    held_out: str,
    source: str,
) -> str:
    """Return a digest of all that decides what is left of a source.

    Args:
        slice_: what is asked for.
        prints: source -> what is asked of its fingerprints, as `described` returns it.
        documents: source -> manifest of its sampled documents.
        held_out: `held_out_digest`, or nothing where nothing is held out.
        source: one of them.
    """
    before = slice_.order[: slice_.order.index(source) + 1]
    asked = slice_.model_dump(mode="json", exclude={"order", "sources"})
    each = [
        [slice_.sources[name].model_dump(mode="json"), prints.get(name), _digest_of_file(documents[name])]
        for name in before
    ]
    return _digest([FORMAT, asked, each, held_out])


def described(slice_: FingerprintSlice) -> dict[str, Any]:
    """Return a slice of fingerprints as their manifest holds it."""
    content: dict[str, Any] = slice_.model_dump(mode="json")
    return content


def is_settled(manifest: Path, digest: str) -> bool:
    """Return whether a manifest is there and was made by what the digest tells."""
    path = manifest.with_name(COMPARED)
    return manifest.is_file() and path.is_file() and read_json(path).get("digest") == digest


def _digest_of_file(path: Path) -> str:
    status = path.stat()
    return _remembered(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache
def _remembered(path: Path, size: int, modified: int) -> str:
    return sha256_of(path)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
