"""Phases over rows that are only described: what plans and candidates look at."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from common.files import sha256_of, write_json
from common.listed import describe
from corpus.rows.listing import FORMAT as ROWS_FORMAT
from model.history.plan import Plan, plan_of
from model.history.position import DataPosition, Position
from model.history.store import FORMAT, MANIFEST, STATE, directory_of, shard_name
from recipe.schema import Batch, LearningRate, ModelShape, Optimizer
from recipe.slices.files import to_json
from recipe.slices.types import Component, PhaseSlice, StageSlice

TOKENIZER = {"fingerprint": "t", "padded_vocabulary": 640, "vocabulary": 600}


def write_index(folder: Path, source: str, text: str, rowset: str = "32", rows: int = 500) -> Path:
    """Write an index of rows of some text."""
    path = folder / source / rowset / "index.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": ROWS_FORMAT, "rows": rows, "tokens": rows * 30, "split_ids": rows * 28, "tokenizer": "t"}
    path.write_text(json.dumps(content | {"parts": [{"sha256": text, "rows": rows}]}))
    return path


def stage(
    tokens: int = 6400,
    length: int = 32,
    factors: dict[str, float] | None = None,
    rate: LearningRate | None = None,
    **settings: object,
) -> StageSlice:
    """A stage whose batch is ten rows."""
    parts = [
        Component(source=source, language="fi", rowset=str(length), factor=factor, bin=None, bin_share=None)
        for source, factor in (factors or {"one": 1.0, "two": 2.0}).items()
    ]
    given = {"batch": Batch(tokens=10 * length), "rope_theta": 1e4, "masking_rate": 0.3, **settings}
    return StageSlice(
        length=length, tokens=tokens, learning_rate=rate or LearningRate(peak=1e-3), components=parts, **given
    )


def phase(*stages: StageSlice, run: str = "r", name: str = "p", seed: int = 1, optimizer: Optimizer | None = None):
    """A phase of some stages."""
    shape = ModelShape(layers=2, hidden=32, heads=2, intermediate=48)
    return PhaseSlice(
        run=run,
        phase=name,
        seed=seed,
        model=shape,
        tokenizer="t",
        optimizer=optimizer or Optimizer(),
        stages=list(stages),
    )


def plan(
    content: PhaseSlice,
    folder: Path,
    before: Position | None = None,
    texts: dict[str, str] | None = None,
    started: str | None = None,
) -> Plan:
    """The plan of a phase over rows of two sources, whose texts are told by name."""
    texts = texts or {"one": "first text", "two": "second text"}
    lengths = {each.length for each in content.stages}
    indexes = {
        (source, str(length)): write_index(folder, source, text, str(length), 16_000 // length)
        for source, text in texts.items()
        for length in lengths
    }
    return plan_of(content, indexes, TOKENIZER, before, started)


def write(folder: Path, made: Plan, step: int) -> Path:
    """Write the checkpoint that a plan stands at after `step` steps, as a trainer does, and its metrics up to there."""
    points = [point for point in made.points() if point.step <= step]
    point = points[-1]
    directory = directory_of(folder / "checkpoints", step)
    directory.mkdir(parents=True)
    for rank in range(2):
        (directory / shard_name(rank, 2)).write_bytes(f"{rank} {point.history}".encode())
    place = DataPosition(0, made.blends[point.stage].digest, point.batch.ranges[-1][1])
    texts = dict.fromkeys(made.names(), 100 * step)
    position = made.position_at(point, Position(point.step, point.slots, point.history, texts, data=place))
    state = {
        "format": FORMAT,
        "position": asdict(position),
        "slice": json.loads(made.content.model_dump_json()),
        "inputs": "other",
    }
    state |= {"updates": step, "world_size": 1}
    (directory / STATE).write_text(json.dumps(state))
    entries = [describe(path) for path in sorted(directory.iterdir())]
    (directory / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": entries}))
    lines = [
        json.dumps({"step": p.step, "slots": p.slots, "phase_slots": p.phase_slots, "stage": p.stage}) for p in points
    ]
    (folder / "metrics.jsonl").write_text("".join(line + "\n" for line in lines))
    return directory


def ask(runs: Path, content: PhaseSlice) -> list[str]:
    """Write what the workflow gives the trainer of a phase below `runs`; return its options."""
    made, folder = plan(content, runs / "rows"), runs / content.run / content.phase
    sets = [
        {
            "source": part.component.source,
            "rowset": part.component.rowset,
            "index": os.path.relpath(part.index, folder),
            "sha256": sha256_of(part.index),
        }
        for mixed in made.blends
        for part in mixed.parts
    ]
    write_json(folder / "rows.json", {"format": ROWS_FORMAT, "sets": sets})
    write_json(runs / "tokenizer.json", TOKENIZER)
    (runs / "slice.json").write_text(to_json(content))
    options = {"slice": runs / "slice.json", "rows": folder / "rows.json", "tokenizer": runs / "tokenizer.json"}
    options |= {"folder": folder, "runs": runs, "checkpoint-seconds": Path("900")}
    return [f"--{name}={value}" for name, value in options.items()]
