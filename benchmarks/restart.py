"""What a phase takes from the start of its process to its first step, part by part, early and late in its data.

A small encoder is trained for ten steps on the text, and stopped with a checkpoint. Then the trainer is started again
and again: from there, and from a checkpoint that says that ten million rows of data are done, whose history, position
and metrics are made up as its plan has them. Each start is a process of its own that ends after its first step.

    imports                    Python, torch, and all that the trainer imports, from the start of the process
    group                      the ranks meet; DeepSpeed is imported
    plan                       every step of the phase, with its history
    beginning                  the newest checkpoint that agrees is looked for, and verified
    model                      the encoder is made
    attention and compiling    a backend is chosen and compared; on a GPU layers are compiled
    engine and weights         the engine is made; weights and moments are read
    rows                       indexes are opened, and what will be read is verified
    first batch                metrics are cut at the step, TensorBoard is imported, rows are drawn and masked
    first step                 forward, backward, optimizer
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Text, parser, print_table, read_text
from benchmarks.ranks import free_port, place
from common.errors import UserError, run_command
from common.files import read_json
from corpus.rows.index import make as make_rows
from corpus.rows.index import write_list
from corpus.rows.listing import read_list
from corpus.sampling.sample import sample
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.shards import make as make_shards
from model.history.candidates import candidates, take_over
from model.history.plan import plan_of
from model.history.store import directory_of
from recipe.needs import rows_of
from recipe.reading import load_recipe
from recipe.slices.files import read_slice, to_json
from recipe.slices.making import phase_slice, source_slice, tokenizer_slice, train_rows_slice
from recipe.slices.types import PhaseSlice

LENGTH = 32
BATCH_ROWS = 256
EARLY_STEPS = 10
LATE_ROWS = 10_000_000
DOCUMENTS = 2_000
RECIPE: dict[str, Any] = {
    "title": "restart",
    "sources": {"text": {"language": "en", "files": ["text.jsonl"]}},
    "tokenizers": {"t": {"vocabulary": 2000, "sample_bytes": 1_000_000, "mixture": "m"}},
    "models": {"m": {"tokenizer": "t", "layers": 3, "hidden": 64, "heads": 2, "intermediate": 96}},
    "mixtures": {"m": {"factors": {"text": 1}}},
    "phases": {
        "one": {
            "stages": [
                {
                    "length": LENGTH,
                    "tokens": (LATE_ROWS + 100 * BATCH_ROWS) * LENGTH,
                    "batch": {"tokens": BATCH_ROWS * LENGTH},
                    "learning_rate": {"peak": 1e-3, "warmup_steps": 1},
                    "rope_theta": 10_000,
                    "mixture": "m",
                }
            ]
        }
    },
    "runs": {"r": {"model": "m", "phases": ["one"]}},
    "evaluation": {"lengths": [LENGTH]},
}


def make_phase(text: Text, folder: Path) -> list[str]:
    """Make what a phase reads, by the product's stages; return the options of its trainer, but for its folder."""
    recipe = load_recipe(RECIPE, "restart")
    content = phase_slice(recipe, "r", "one")
    (folder / "one.json").write_text(to_json(content), encoding="utf-8")
    lines = [json.dumps({"text": document}) + "\n" for document in text.documents[:DOCUMENTS]]
    (folder / "text.jsonl").write_text("".join(lines), encoding="utf-8")
    corpus, tokenizer = folder / "corpus" / "text" / "manifest.json", folder / "tokenizers" / "t" / "manifest.json"
    sample(source_slice(recipe, "text"), [folder / "text.jsonl"], corpus, workers=1)
    make_tokenizer(tokenizer_slice(recipe, "t"), {"text": corpus}, tokenizer)
    make_shards(corpus, tokenizer, folder / "shards" / "t" / "text" / "manifest.json", "tokie", workers=1)
    wanted = rows_of(train_rows_slice(content))
    write_list(make_rows(wanted, folder / "shards", folder / "rows", 1), folder / "rows.json")
    files = {"slice": folder / "one.json", "rows": folder / "rows.json", "tokenizer": tokenizer}
    return [word for name, path in files.items() for word in (f"--{name}", str(path))]


def start(options: list[str], folder: Path, steps: int) -> dict[str, list[float]]:
    """Start the trainer, for so many steps; return the seconds of each part, on the clock and of processors.

    Raises:
        UserError: it failed; what it said is told.
    """
    command = [sys.executable, "-m", "benchmarks.restart", "--as-rank", str(steps), *options, "--folder", str(folder)]
    threads = {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=os.environ | threads | place(0, 1, free_port()), capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, os.EX_TEMPFAIL):
        raise UserError(f"the trainer failed:\n{done.stdout}{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else {}


def go_far(options: list[str], early: Path, late: Path) -> None:
    """Make the folder of a phase that has drawn `LATE_ROWS` rows, with the weights of an early checkpoint of it."""
    files = {name.removeprefix("--"): Path(path) for name, path in zip(options[::2], options[1::2], strict=True)}
    content, rows = read_slice(files["slice"], PhaseSlice), read_list(files["rows"])
    plan = plan_of(content, rows, read_json(files["tokenizer"]), None)
    point = next(point for point in plan.points() if point.batch.ranges[-1][1] >= LATE_ROWS)
    candidate = candidates(early, None)[-1]
    reached = candidate.position()
    data = replace(reached.data, rows=point.batch.ranges[-1][1])
    reached = replace(reached, step=point.step, slots=point.slots, history=point.history, data=data)
    state = {**candidate.state, "position": asdict(plan.position_at(point, reached))}
    take_over(candidate, directory_of(late / "checkpoints", point.step), state)
    line = json.loads((early / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    with open(late / "metrics.jsonl", "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line | {"step": step}) + "\n" for step in range(1, point.step + 3))


def as_rank(steps: int) -> None:
    """Be the trainer: for one step and then tell what each part took, or for so many, and stop with a checkpoint."""
    from model.training import trainer

    made: list[Any] = []
    advance = trainer.Phase._advance

    def advanced(phase: Any, *arguments: Any) -> None:
        advance(phase, *arguments)
        made.append(None)
        if steps == 1:
            print(json.dumps(phase.clock.parts), flush=True)
            os._exit(0)
        os.kill(os.getpid(), trainer.STOP_SIGNALS[0]) if len(made) == steps - 1 else None

    trainer.Phase._advance = advanced  # type: ignore[method-assign, assignment]
    trainer.main()


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(dir=arguments.work) as made:
        folder = Path(made)
        options = make_phase(read_text(arguments.data), folder)
        early, late = folder / "runs" / "r" / "one", folder / "late" / "r" / "one"
        start(options, early, EARLY_STEPS)
        go_far(options, early, late)
        found: dict[Path, list[dict[str, list[float]]]] = {early: [], late: []}
        for _ in range(arguments.rounds):
            for place_, starts in found.items():
                starts.append(start(options, place_, 1))
    table = []
    for part in found[early][0]:
        cells = [f"{median(each[part][kind] for each in starts):.2f}" for starts in found.values() for kind in (0, 1)]
        table.append([part, *cells])
    sums = [sum(float(row[column]) for row in table) for column in range(1, 5)]
    header = ["seconds", f"after step {EARLY_STEPS}", "of processors", f"after row {LATE_ROWS:,}", "of processors"]
    print_table(header, [*table, ["together", *(f"{each:.2f}" for each in sums)]])
    print(f"\nOne rank on a CPU; medians of {arguments.rounds} starts in turn.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as-rank"]:
        wanted = int(sys.argv[2])
        del sys.argv[1:3]
        run_command(lambda: as_rank(wanted))
    else:
        options_ = parser(__doc__, rounds=5)
        options_.add_argument("--work", type=Path, help="where phases are made (default: a temporary directory)")
        run_command(lambda: main(options_.parse_args()))
