"""What a comparison reads of each run: its held-out rows one by one, and what its training computed. JSONs only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from model.cost import parameters, training_flops
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice, PhaseSlice

Place = tuple[str, int]
"""(language, tokens of a row)."""
Row = tuple[int, float]
"""(masked tokens, their summed loss in nats)."""


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    name: str
    tokenizer: str
    """Fingerprint of the one it was measured with."""
    rows: dict[Place, dict[str, Row]] | None
    """Held-out rows by source and key; None where the result was made before they were kept one by one."""
    bits: dict[str, tuple[float, float]]
    """Language -> bits per byte of the pseudo-perplexity and their standard error, where there is one."""
    parameters: int
    flops: float
    """Of all its training, phases shared with other runs included; docs/formats.md says how they are counted."""
    process_hours: float
    """Likewise: hours of steps times processes."""
    slots: int
    way: str
    """What else the training was, the same text for runs that differ in shape, tokens, batch and peak rates alone."""
    shape: str
    """The encoder's."""


def read_run(results: Path, name: str) -> Trained:
    """Read a run below `results`. Raises `UserError` naming the file that is absent, or lacks something."""
    own = read_slice(results / "recipe" / "evaluation" / f"{name}.json", EvaluationSlice)
    path = results / "evaluation" / name / "mlm.json"
    measured = read_json(path)
    try:
        rows = {(row["language"], row["length"]): _rows(row) for row in measured["rows"]}
        known = {place: each for place, each in rows.items() if each is not None}
        # Of hand-made or old results the slice tells the tokenizer, by its name.
        tokenizer = measured["measured_on"].get("tokenizer", own.tokenizer)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} holds no held-out losses ({error}); delete it and run Snakemake again.") from None
    states = [_state(results / "runs" / owner / phase) for owner, phase in own.lineage]
    vocabulary = read_json(results / "models" / name / "config.json")["vocab_size"]
    steps = zip(own.lineage, states, strict=True)
    hours = sum(_seconds(results / "runs" / owner / phase) * state["world_size"] for (owner, phase), state in steps)
    last = states[-1]
    return Trained(
        name=name,
        tokenizer=tokenizer,
        rows=known if len(known) == len(rows) else None,
        bits=_bits(results / "evaluation" / name / "pseudo_perplexity.json") if own.pseudo_perplexity_tokens else {},
        parameters=parameters(own.model, vocabulary),
        flops=_flops(own, vocabulary, last["stretches"]),
        process_hours=hours / 3600,
        slots=last["position"]["slots"],
        way=_way(own.tokenizer, PhaseSlice.model_validate(last["slice"]), last["stretches"]),
        shape=own.model.model_dump_json(),
    )


def _rows(row: dict[str, Any]) -> dict[str, Row] | None:
    """Return the rows that a line of mlm.json keeps one by one, by source and key, or None."""
    if "each" not in row:
        return None
    return {
        f"{source} {key}": (masked, loss)
        for source, own in row["each"].items()
        for key, masked, loss in zip(own["key"], own["masked"], own["loss"], strict=True)
    }


def _bits(path: Path) -> dict[str, tuple[float, float]]:
    """Return bits per byte by language; their error is the loss's, in proportion."""
    try:
        return {
            row["language"]: (row["bits_per_byte"], row["bits_per_byte"] * row["loss_stderr"] / row["loss"])
            for row in read_json(path)["rows"]
            if row["source"] is None and row["loss_stderr"] is not None
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} holds no pseudo-perplexities ({error}); delete it and run Snakemake again.") from None


def _state(folder: Path) -> dict[str, Any]:
    """Return the state of the last checkpoint of a phase."""
    pointer = read_json(folder / "checkpoint.json")
    path = folder / pointer["checkpoint"] / "state.json"
    state = read_json(path)
    missing = {"stretches", "slice", "world_size", "position"} - state.keys()
    if missing:
        raise UserError(f"{path} has no {min(missing)}; train the phase again.")
    return dict(state)


def _seconds(folder: Path) -> float:
    """Return how long the steps of a phase took together."""
    path = folder / "metrics.jsonl"
    try:
        with open(path, encoding="utf-8") as stream:
            return sum(float(json.loads(line)["step_seconds"]) for line in stream)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no steps of training ({error}); train the phase again.") from None


def _flops(own: EvaluationSlice, vocabulary: int, stretches: Sequence[dict[str, Any]]) -> float:
    """Return what was computed in all stretches: slots times operations of a token, as `training_flops` counts them."""
    total, before = 0.0, 0
    for one in stretches:
        each = training_flops(own.model, vocabulary, one["length"], one["masking_rate"])
        total += (one["slots"] - before) * each
        before = one["slots"]
    return total


def _way(tokenizer: str, phase: PhaseSlice, stretches: Sequence[dict[str, Any]]) -> str:
    """Return what was done stretch by stretch, but for how long, in which batches, at which rate, and rows left out."""
    told: list[Any] = []
    for one in stretches:
        rate = one["learning_rate"]
        done = {key: one.get(key) for key in ("length", "masking_rate", "rope_theta", "row_shares")}
        done["row_shares"] = {source: round(share, 4) for source, share in (done["row_shares"] or {}).items()}
        done |= {"shape": rate.get("shape"), "final": rate.get("final")}
        if done not in told[-1:]:
            told.append(done)
    return json.dumps([tokenizer, phase.optimizer.model_dump(mode="json"), told], sort_keys=True)
