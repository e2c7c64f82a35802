"""What could not be measured since the hub was out of reach: told at the end, with how to try it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path


def told(results: Iterable[str]) -> str:
    """Return the sentences of results that say they were not measured, each once, and the command that removes them.

    Args:
        results: paths of results of evaluations; absent ones are passed over.

    Returns:
        Empty where all that is there was measured.
    """
    reasons: dict[str, list[str]] = {}
    for path in filter(Path.is_file, map(Path, results)):
        content = json.loads(path.read_bytes())
        if "unmeasured" in content:
            reasons.setdefault(content["unmeasured"], []).append(str(path))
    if not reasons:
        return ""
    paths = [path for own in reasons.values() for path in own]
    lines = ["Not measured, in the report too:", *(f"  {reason}" for reason in reasons)]
    lines += ["To try again, delete what says so and run the same command:", f"  rm {shlex.join(paths)}"]
    return "\n".join(lines)
