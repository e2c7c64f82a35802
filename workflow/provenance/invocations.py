"""What is known of each call of Snakemake: the code, the packages, the kind of machine. A line a call, written first.

Names of machines and people are left out, unless `ALASIN_PROVENANCE_NAMES=1` is set.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import shlex
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

LOG = Path("results/provenance/invocations.jsonl")
NAMES = "ALASIN_PROVENANCE_NAMES"
GIT_SECONDS = 20


def append_invocation(repository: Path, words: Sequence[str]) -> None:
    """Add a line of this process to the log in the working directory.

    Args:
        repository: of Alasin, whose commit is told.
        words: of the command line.
    """
    facts: dict[str, Any] = {
        "started": time.time(),
        "command": shlex.join(words),
        **code_of(repository),
        "python": platform.python_version(),
        "packages": packages(),
        "machine": {"system": platform.system(), "kind": platform.machine(), "cores": os.cpu_count()},
    }
    if os.environ.get(NAMES) == "1":
        facts["names"] = {"host": socket.gethostname(), "user": getpass.getuser()}
    else:
        # Paths name homes and projects as a rule.
        facts["command"] = shlex.join([Path(word).name if word.startswith("/") else word for word in words])
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with open(LOG, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(facts, ensure_ascii=False) + "\n")


def code_of(repository: Path) -> dict[str, Any]:
    """Return the commit of a checkout, and whether tracked files differ from it; None where git says nothing."""
    said = [_git(repository, "rev-parse", "HEAD"), _git(repository, "status", "--porcelain", "--untracked-files=no")]
    commit, changes = said
    return {"commit": commit, "dirty": bool(changes) if commit and changes is not None else None}


def _git(repository: Path, *words: str) -> str | None:
    # A repository above a copy without one of its own is somebody else's.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(repository.resolve().parent)}
    try:
        done = subprocess.run(
            ["git", "-C", repository, *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def packages() -> dict[str, str]:
    """Return name -> version of every installed package."""
    found = {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def environment_digest(invocation: Mapping[str, Any]) -> str:
    """Return SHA-256 of the versions of Python and of all packages of a call."""
    facts = [invocation.get("python"), invocation.get("packages")]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_invocations(directory: Path) -> list[dict[str, Any]]:
    """Return the calls of Snakemake in a working directory, oldest first; lines that were cut off are passed over."""
    try:
        lines = (directory / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("started"), float):
            found.append(row)
    return found


def invocation_at(invocations: Sequence[dict[str, Any]], moment: float) -> dict[str, Any]:
    """Return the last call that had begun at a moment, in seconds since the epoch; an empty one if none had."""
    return next((one for one in reversed(invocations) if one["started"] <= moment), {})
