"""The word that a long command leaves of its end, beside the file that it was run for.

Snakemake deletes the declared file of a rule that it takes for unfinished, and where Snakemake was killed that may be
one whose command finished meanwhile. So the command writes `finished.json` first, which nobody declares: what it was
made from, what the declared file says, and the manifest of what that names. From it the declared file is made again,
as long as all of that is still true, without running anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import digest_of, read_json, sha256_of, write_json
from common.listed import problem_with

FINISHED = "finished.json"
FORMAT = 1


def write_finished(declared: Path, content: Mapping[str, Any], inputs: str, manifest: Path) -> None:
    """Write beside `declared`, the file that is to be made next, that `content` is what it will hold.

    Args:
        declared: the file that the command was run for.
        content: its JSON.
        inputs: `digest_of` the files that it is made from.
        manifest: JSON with `files`, entries of `common.listed.describe`, beside which these files lie.
    """
    word = {
        "format": FORMAT,
        "inputs": inputs,
        "manifest": os.path.relpath(manifest, declared.parent),
        "manifest_sha256": sha256_of(manifest),
        "declared": dict(content),
    }
    write_json(declared.with_name(FINISHED), word)


def make_again(declared: Path, inputs: tuple[Path, ...]) -> bool:
    """Make `declared` from the word beside it; return False, and make nothing, if that is absent or no longer true."""
    path = declared.with_name(FINISHED)
    try:
        word = read_json(path) if path.exists() else None
        if not isinstance(word, dict) or word.get("format") != FORMAT or word["inputs"] != digest_of(inputs):
            return False
        manifest = path.parent / word["manifest"]
        if problem_with(manifest.parent, {"name": manifest.name, "sha256": word["manifest_sha256"]}):
            return False
        if any(problem_with(manifest.parent, entry) for entry in read_json(manifest)["files"]):
            return False
    except (UserError, KeyError, TypeError):  # a damaged word is none
        return False
    write_json(declared, word["declared"])
    return True
