"""A trial in numbers and examples, as plain objects: what terminal, page and JSON show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.preview.spread import Spread
from corpus.preview.verdicts import Change, Trial, Verdict
from recipe.slices.types import SourceSlice

EXCERPT_CHARACTERS = 1500


def summary(source: SourceSlice, files: int, spread: Spread, trial: Trial, examples: int) -> dict[str, Any]:
    """Return what cleaning would do to documents of a source.

    Of each filter there are at most so many `examples` of what it refuses, and of what it lets pass, nearest to the
    threshold first, and of documents as near, in the order of the files.
    """
    sizes = np.array([len(text) for text in spread.texts], np.int64)
    left = np.array([len(text) for text in trial.texts], np.int64)[~trial.refused]
    changes = [_change(change, examples) for change in trial.changes]
    return {
        "source": source.name,
        "language": source.language,
        "files": files,
        "read": spread.read,
        "read_all": spread.all,
        "rejected": spread.rejected,
        "documents": len(sizes),
        "bytes": int(sizes.sum()),
        "left": {"documents": len(left), "bytes": int(left.sum())},
        "changes": changes,
        "filters": [_filter(verdict, trial, spread, examples) for verdict in trial.verdicts],
    }


def _change(change: Change, examples: int) -> dict[str, Any]:
    told = {name: getattr(change, name) for name in ("step", "what", "asked", "count", "unit", "cut_bytes")}
    return {**told, "examples": [_excerpt(piece) for piece in change.pieces[:examples]]}


def _filter(verdict: Verdict, trial: Trial, spread: Spread, examples: int) -> dict[str, Any]:
    sizes = np.array([len(text) for text in trial.texts], np.int64)

    def nearest(chosen: NDArray[np.bool_]) -> list[dict[str, str]]:
        indices = np.flatnonzero(chosen)
        order = np.argsort(verdict.distances[indices], kind="stable")[:examples]  # what has no distance comes last
        return [_example(index, verdict, trial.texts, spread) for index in indices[order].tolist()]

    return {
        "step": verdict.step,
        "reason": verdict.reason,
        "asked": verdict.asked,
        "documents": int(verdict.refused.sum()),
        "bytes": int(sizes[verdict.refused].sum()),
        "only": int(trial.only(verdict).sum()),
        "refused": nearest(verdict.refused),
        "passed": nearest(~verdict.refused & trial.there & ~np.isnan(verdict.distances)),
    }


def _example(index: int, verdict: Verdict, texts: Sequence[bytes], spread: Spread) -> dict[str, str]:
    # Where no line is left, the text as it was read shows why.
    text = texts[index] if texts[index].strip() else spread.texts[index]
    return {"number": verdict.details[index], "place": spread.places[index], "text": _excerpt(text)}


def _excerpt(text: bytes) -> str:
    return text[: 4 * EXCERPT_CHARACTERS].decode(errors="ignore")[:EXCERPT_CHARACTERS]
