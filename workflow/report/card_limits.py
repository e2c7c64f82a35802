"""What a model comes from and where its limits are, in sentences that follow from what was trained and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.quantities import amount
from recipe.schema import Start
from workflow.report.results import HeldOut, PhaseResult

LITTLE = 0.01
"""Share of the tokens below which a language is one of which the model has seen little."""


def beginning(start: Start | None) -> str:
    """Return what the training of a model began with."""
    if start is None:
        return "from scratch"
    if start.run:
        return f"from the weights of the run `{start.run}`, tiled into its shape,"
    return f"from the weights of `{Path(str(start.directory)).name}`, which others have trained before,"


def limits(
    tokens: Mapping[str, int],
    phases: Sequence[PhaseResult],
    held_out: Sequence[HeldOut],
    contamination: Mapping[str, Any],
) -> list[str]:
    """Return a sentence or two about each limit that the files show.

    Args:
        tokens: language, as the recipe calls it -> real tokens trained on.
        phases: the lineage.
        held_out: losses per language and length.
        contamination: as `workflow.report.text.contamination` returns it.
    """
    return [*_languages(tokens), *_length(phases), *_losses(held_out), *_seen(contamination)]


def _languages(tokens: Mapping[str, int]) -> list[str]:
    total = sum(tokens.values())
    found = [f"It knows no language but those it was trained on: {total:,} tokens, repetitions counted."]
    little = [
        f"{language} ({amount(tokens[language])} tokens)"
        for language in sorted(tokens)
        if tokens[language] < LITTLE * total
    ]
    return (
        [*found, f"It has seen little of {', '.join(little)}: less than one token in a hundred."] if little else found
    )


def _length(phases: Sequence[PhaseResult]) -> list[str]:
    lengths = [stage.length for phase in phases for stage in phase.slice.stages]
    longest = max(lengths)
    found = [f"The longest rows that it was trained on have {longest:,} tokens; cut longer text into pieces."]
    if longest != lengths[-1]:
        found[0] += f" The last ones had {lengths[-1]:,}."
    return found


def _losses(held_out: Sequence[HeldOut]) -> list[str]:
    if not held_out:
        return []
    longest = max(row.length for row in held_out)
    rows = sorted((row for row in held_out if row.length == longest), key=lambda row: row.loss)
    told = ", ".join(f"{row.language} {row.loss:.2f}" for row in rows)
    found = [f"Held-out loss at {longest:,} tokens, nats per masked token, the best language first: {told}."]
    if doubtful := [f"{row.language} at {row.length} tokens" for row in held_out if row.verdict != "yes"]:
        found.append(
            f"Its loss is not clearly below a guess by frequency for {', '.join(doubtful)}: do not use it there."
        )
    return found


def _seen(contamination: Mapping[str, Any]) -> list[str]:
    sets = [row for row in contamination["rows"] if row["evaluation"]]
    if not sets:
        return []
    documents = sum(row["documents"] for row in sets)
    names = ", ".join(row["set"] for row in sets)
    told = f"{documents:,} training documents held text of evaluation sets ({names}), word for word"
    if contamination["cut_out"]:
        return [f"{told}; that was cut out, and text that says the same in other words was not looked for."]
    return [f"{told}, and it was left in: what is measured on them is better than it would be on new text."]
