"""What context is worth, in the report: held-out loss of each kept checkpoint of a run, by the context it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import read_json

Place = tuple[str, int]
"""(phase, number of the stage)."""


@dataclass(frozen=True)
class Contexts:
    """The checkpoints of a run at the ends of its stages, the first one first, and the loss of each at each context."""

    contexts: list[int]
    """Tokens, ascending."""
    languages: list[str]
    absent: list[str]
    """Languages without a long held-out document."""
    checkpoints: list[dict[str, Any]]
    """`phase`, `slots`, `trained_length`; `means`, the mean over languages by context; `rows`, (language, lines)."""


def read_contexts(results: Path, lineage: Sequence[tuple[str, str]]) -> Contexts:
    """Return what was measured on the phases of a lineage, (run that owns it, phase) each.

    Raises:
        UserError: a file is absent, or no such result.
    """
    found: dict[Place, dict[tuple[str, int], Mapping[str, Any]]] = {}
    absent: set[str] = set()
    for owner, phase in lineage:
        path = results / "evaluation" / owner / "contexts" / f"{phase}.json"
        content = read_json(path)
        if not isinstance(content, dict) or not content.keys() >= {"rows", "absent"}:
            raise UserError(f"{path} holds no losses by context; delete it and run Snakemake again.")
        absent |= set(content["absent"])
        for line in content["rows"]:
            found.setdefault((phase, line["stage"]), {})[line["language"], line["context"]] = line
    places = {place for lines in found.values() for place in lines}
    contexts = sorted({context for _, context in places})
    languages = sorted({language for language, _ in places})
    return Contexts(
        contexts,
        languages,
        sorted(absent - set(languages)),
        [_checkpoint(phase, lines, contexts, languages) for (phase, _), lines in found.items()],
    )


def _checkpoint(
    phase: str, lines: Mapping[tuple[str, int], Mapping[str, Any]], contexts: Sequence[int], languages: Sequence[str]
) -> dict[str, Any]:
    """Return the entry of a checkpoint; a mean is over the languages measured on it."""
    first = next(iter(lines.values()))
    rows = [(one, [lines.get((one, context)) for context in contexts]) for one in languages]
    means = [np.mean([line["loss"] for _, own in rows if (line := own[k])]) for k in range(len(contexts))]
    return {
        "phase": phase,
        "slots": first["slots"],
        "trained_length": first["trained_length"],
        "means": [float(mean) for mean in means],
        "rows": rows,
    }
