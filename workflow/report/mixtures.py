"""What each phase drew of each source, beside what the recipe asks for, and how often that had been read by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corpus.rows.weights import component_weights
from workflow.report import text
from workflow.report.results import PhaseResult, Results, Source

Table = list[dict[str, Any]]


def mixture_rows(results: Results, phase: PhaseResult) -> Table:
    """Return each source's share of a phase: asked for, by the stages' mixtures and tokens, and drawn in training."""
    total = sum(stage.tokens for stage in phase.slice.stages)
    asked = dict.fromkeys(sorted(phase.drawn), 0.0)
    for stage in phase.slice.stages:
        indexes = [results.rows(phase.slice.tokenizer, part.source, part.rowset) for part in stage.components]
        weights = component_weights(stage.components, [index["tokens"] for index in indexes])
        for part, weight in zip(stage.components, weights, strict=True):
            asked[part.source] = asked.get(part.source, 0.0) + float(weight) * stage.tokens / total
    drawn = phase.drawn_shares()
    rows = [
        {"source": source, "asked": share, "drawn": drawn.get(source, 0.0), "tokens": phase.drawn.get(source, 0)}
        for source, share in asked.items()
    ]
    return sorted(rows, key=lambda row: -row["asked"])


def matrix(
    statistics: Mapping[str, Any],
    sources: Sequence[Source],
    lineages: Mapping[str, Sequence[PhaseResult]],
    mixtures: Mapping[str, Table],
) -> Table:
    """Return a row for each source with a cell for each phase, or None where it has no part in that.

    A cell is a row of `mixture_rows` with `epochs`, read from the first phase of the lineage to the end of this one,
    `beyond`, whether that is more than the recipe's limit, and `most`, in words, which of its documents are read far
    more often; that is known of whole runs only, and stands at their last phase. `epochs` is None where no statistics
    tell.

    Args:
        statistics: content of results/statistics.json.
        sources: in the order of the rows.
        lineages: run -> its phases, the first one first.
        mixtures: name of a phase -> its `mixture_rows`; columns are in this order.
    """
    limit = statistics["max_epochs"]
    cells = {name: {row["source"]: row for row in rows} for name, rows in mixtures.items()}
    so_far = _so_far(statistics, lineages)
    ends = {own[-1].name: run for run, own in lineages.items() if own}
    rows = []
    for source in sources:
        row: list[dict[str, Any] | None] = []
        for name, own in cells.items():
            if source.name not in own:
                row.append(None)
                continue
            epochs = so_far[name].get(source.name)
            cell = {"epochs": epochs, "beyond": limit is not None and (epochs or 0) > limit, "most": ""}
            if name in ends:
                whole = text.epochs(statistics, [source.name], [ends[name]])[0]["cells"][0]
                cell |= whole or {}
            row.append(own[source.name] | cell)
        tokens = {name: splits["train"] for name, splits in statistics["sources"][source.name]["tokens"].items()}
        rows.append({"source": source.name, "language": source.language, "tokens": tokens, "cells": row})
    return rows


def _so_far(
    statistics: Mapping[str, Any], lineages: Mapping[str, Sequence[PhaseResult]]
) -> dict[str, dict[str, float]]:
    """Return name of a phase -> source -> epochs up to its end."""
    alone = {f"{one['run']}/{one['phase']}": one["sources"] for one in statistics["phases"]}
    found: dict[str, dict[str, float]] = {}
    for own in lineages.values():
        total: dict[str, float] = {}
        for phase in own:
            for source, read in alone.get(phase.name, {}).items():
                total[source] = total.get(source, 0.0) + read["epochs"]
            found[phase.name] = dict(total)
    return found
