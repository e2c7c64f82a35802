"""The files of a finished workflow, made by hand in the formats of the stages, for tests of what reads them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

from common.files import sha256_of, write_json
from evaluation.comparison.__main__ import compare
from model.history.store import FORMAT
from recipe.reading import load_recipe
from tests.workflow.finished_text import write_text
from workflow.dag import Dag

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"
STEPS = 40
PARAMETERS = 12 * 34 + 56
RUNS = ("small", "small-fi", "small-theta")


def finish(folder: Path) -> Path:
    """Write `folder`/results as the demo's recipe leaves it, with other numbers, and return it."""
    results = folder / "results"
    dag = Dag(load_recipe(yaml.safe_load(DEMO.read_text()), "demo"))
    dag.write_slices(results / "recipe")
    write_text(results, dag)
    sizes = {"vocabulary": 4000, "padded_vocabulary": 4032, "fingerprint": "f" * 64}
    write_json(results / "tokenizers" / "demo" / "manifest.json", sizes)
    for run in RUNS:
        way = dag.way(run)
        for place in way:
            if not (results / "runs" / place[0] / place[1]).exists():
                _phase(results, *place, before=way[: way.index(place)])
        _evaluation(results, run)
    _fertility(results, dag)
    _retrieval(results)
    _understanding(results)
    _speed(results)
    write_json(results / "comparison.json", compare(dag.comparison.slice, results))
    seen = {"documents": 12, "shorter_than_a_window": 2, "bytes": 4000, "seen_bytes": 246, "seen": 0.0615, "copies": 1}
    seen |= {"seen_stderr": 0.01, "where": [{"source": "interface-sv", "seen": 0.0415}]}
    where = [(name, split) for name in dag.recipe.sources for split in ("validation", "test")]
    rows = [
        {"source": name, "language": dag.recipe.sources[name].language, "split": split} | seen for name, split in where
    ]
    write_json(results / "evaluation" / "overlap" / "demo.json", {"format": 1, "rows": rows})
    return results


def _fertility(results: Path, dag: Dag) -> None:
    counts = {"documents": 12, "words": 1000, "tokens": 1734, "bytes": 6000, "unknown": 0}
    counts |= {"tokens_per_word": 1.734, "bytes_per_token": 3.46}
    sources = [{"source": name, "language": source.language} | counts for name, source in dag.recipe.sources.items()]
    rows = [{"language": language, "sources": []} | counts for language in sorted({row["language"] for row in sources})]
    content = {"format": 1, "tokenizer": "demo", "vocabulary": 4000, "gini": 0.1234, "rows": rows, "sources": sources}
    write_json(results / "fertility" / "demo.json", content)


def _parts(sources: list[str], length: int) -> dict[str, Any]:
    """Return what a row of mlm.json tells of its sources and positions."""
    own = {"rows": 10, "masked": 300, "loss_stderr": None, "accuracy": 0.25, "unigram_loss": 7.5}
    return {
        "sources": [own | {"source": source, "loss": 4.75} for source in sources],
        "positions": [own | {"begin": begin, "end": 2 * begin, "loss": 4.5} for begin in (32, length // 2)],
    }


def _each(run: str, language: str, length: int) -> dict[str, Any]:
    """Return rows one by one: those of small-fi are a little better than those of small, of small-theta as good."""
    rng = np.random.default_rng([length, *language.encode()])
    masked = rng.integers(20, 50, size=20)
    loss = masked * (rng.normal(5, 0.5, size=20) - 0.05 * (run == "small-fi"))
    loss += masked * np.random.default_rng([length, len(run)]).normal(0, 0.02, size=20)
    keys = [f"{number:012x}" for number in range(20)]
    return {"key": keys, "masked": masked.tolist(), "loss": loss.round(4).tolist()}


def _contexts(run: str, phase: str) -> dict[str, Any]:
    lines = [
        {"stage": 0, "step": 40, "slots": 160_000, "trained_length": 128, "language": language, "context": context}
        | {"documents": 3, "masked": 90, "loss": 6 - context / 1000 + place, "loss_stderr": 0.02, "accuracy": 0.1}
        for place, language in enumerate(("en", "fi"))
        for context in (128, 256)
    ]
    return {"format": 1, "run": run, "phase": phase, "rows": lines, "absent": ["la"], "seed": 1}


def _speed(results: Path) -> None:
    machine = {"device": "a <chip>", "threads": 2, "precision": "fp32", "torch": "2.13.0+cpu"}
    row = {"length": 1024, "lengths": "mixed", "documents": 7, "tokens": 4096, "slots": 7168, "seconds": 0.5}
    rows = [
        row | {"way": "packed", "tokens_per_second": 8192.0, "memory_bytes": 50_000_000},
        row | {"way": "padded", "tokens_per_second": 2048.0, "memory_bytes": 90_000_000},
    ]
    content = {"format": 1, "run": "small", "rows": rows, "machine": machine, "seed": 1}
    write_json(results / "evaluation" / "small" / "speed.json", content)


def _retrieval(results: Path) -> None:
    scores = {"small": [0.9, 0.8, 0.85, 0.7], "small.untrained": [0.5, 0.45, 0.4, 0.3], "_bm25": [0.2, 0.3, 0.25, 0.2]}
    for name, own in scores.items():
        system = "BM25" if name == "_bm25" else name
        content = {
            "format": 1,
            "system": system,
            "task": "interface-fi-sv",
            "split": "test",
            "metric": "ndcg_at_10",
            "seed": 1,
        }
        content |= {"value": sum(own) / 4, "interval": [min(own), max(own)], "confidence": 0.95, "chance": 0.0987}
        content |= {"queries": 4, "documents": 9, "how": {} if system == "BM25" else {"learning_rate": 5e-4}}
        content["scores"] = {f"q{number}": score for number, score in enumerate(own)}
        write_json(results / "evaluation" / "retrieval" / "interface-fi-sv" / f"{name}.json", content)


def _understanding(results: Path) -> None:
    facts = {"format": 1, "confidence": 0.95, "seeds": [42, 43], "interval": [0.4, 0.9]}
    for task, kind, metric in (("topic", "classification", "macro_f1"), ("word-language", "tagging", "accuracy")):
        for system, right in (("small", 18), ("small.untrained", 11)):
            rows = [[place % 2, place % 2 if place < right else 1 - place % 2] for place in range(20)]
            if kind == "tagging":
                rows = [[int(place < right), 1] for place in range(20)]
            content = facts | {"system": system, "task": task, "kind": kind, "language": "en", "metric": metric}
            content |= {"value": right / 20, "values": [right / 20] * 2, "examples": 20, "counts": [rows, rows]}
            also = {
                "accuracy": {"value": right / 20, "values": [right / 20] * 2, "interval": [0.4, 0.9], "baseline": 0.5}
            }
            content |= {"also": also if kind == "classification" else {}, "baseline": 0.3333, "baseline_is": "a guess"}
            content["how"] = {"learning_rate": 5e-4, "examples": {"train": 30, "dev": 10}}
            write_json(results / "evaluation" / "understanding" / task / f"{system}.json", content)


def change(path: Path, **values: Any) -> None:
    """Change values of a JSON object in a file."""
    write_json(path, json.loads(path.read_text()) | values)


def _phase(results: Path, run: str, phase: str, before: list[tuple[str, str]]) -> None:
    content = json.loads((results / "recipe" / "phase" / f"{run}.{phase}.json").read_text())
    parts = [part for stage in content["stages"] for part in stage["components"]]
    for part in parts:
        index = {"rows": 50, "tokens": 50 * 126, "length": 128, "documents": 40, "cut_documents": 3}
        write_json(results / "rows" / "demo" / part["source"] / "train" / part["rowset"] / "index.json", index)
    folder = results / "runs" / run / phase
    rng = np.random.default_rng(len(before))
    first = STEPS * len(before)
    languages = sorted({part["language"] for part in parts})
    with open_lines(folder / "metrics.jsonl") as stream:
        for i in range(STEPS):
            loss = 8 - len(before) - i / STEPS + rng.normal(0, 0.05)
            row = {
                "step": first + i + 1,
                "slots": (first + i + 1) * 4096,
                "batch_tokens": 4000,
                "learning_rate": 1e-3,
                "gradient_norm": 0.5,
                "tokens_per_second": 8000.0,
                "step_seconds": 0.5,
                "data_wait_seconds": 0.01,
                "memory_bytes": 500_000_000,
                "loss": loss,
                "language_loss": {language: loss + k / 10 for k, language in enumerate(languages) if i % 3 or k},
            }
            if i % 10 == 9:
                measured = {"loss": 6 + i / 1000, "accuracy": 0.2, "language_loss": {"fi": 6.25}, "seconds": 0.125}
                row["validation"] = measured
            stream.write(json.dumps(row) + "\n")
    checkpoint = folder / "checkpoints" / f"step-{first + STEPS:08}"
    drawn = {part["source"]: 1000 * (k + 1) for k, part in enumerate(parts)}
    position = {"step": first + STEPS, "slots": (first + STEPS) * 4096, "drawn": drawn, "history": f"{first:032x}"}
    versions = {"python": "3.11.2", "torch": "2.13.0+cpu"}
    state = {"format": FORMAT, "position": position, "slice": content, "world_size": 2, "versions": versions}
    state["stretches"] = [
        {
            "run": run,
            "phase": name,
            "first_step": STEPS * number + 1,
            "last_step": STEPS * (number + 1),
            "slots": STEPS * (number + 1) * 4096,
            "length": 128,
            "batch": {"start_tokens": 2048, "tokens": 4096, "warmup_steps": 5},
            "learning_rate": {"peak": 1e-3, "changes": {"2048": 5e-4}},
            "rope_theta": 10_000.0,
            "masking_rate": 0.3,
            "skip_rows": [[70, 79]] if number else [],
        }
        for number, name in enumerate([*(name for _, name in before), phase])
    ]
    write_json(checkpoint / "state.json", state)
    shard = {"name": "shard-00000-of-00001.safetensors", "bytes": 1, "sha256": f"{phase}-{run}".ljust(64, "0")}
    write_json(checkpoint / "manifest.json", {"format": FORMAT, "files": [shard]})
    pointer = {
        "format": FORMAT,
        "checkpoint": f"checkpoints/{checkpoint.name}",
        "manifest_sha256": sha256_of(checkpoint / "manifest.json"),
        "slots": position["slots"],
    }
    write_json(folder / "checkpoint.json", pointer)


def open_lines(path: Path) -> Any:
    """Open a text file for writing below directories that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


def _evaluation(results: Path, run: str) -> None:
    content = json.loads((results / "recipe" / "evaluation" / f"{run}.json").read_text())
    folder = results / "evaluation" / run
    counts = {"rows": 20, "tokens": 2500, "masked": 750}
    losses = [
        {"language": language, "length": length, "loss": 5 + length / 1000, "loss_stderr": 0.05, "accuracy": 0.2}
        | counts
        | {"unigram_loss": 7.25}
        | _parts(content["languages"][language], length)
        | {"each": {content["languages"][language][0]: _each(run, language, length)}}
        for language in sorted(content["languages"])
        for length in content["lengths"]
    ]
    measured_on = {"split": "validation", "rows_at_most": 200, "masking_rate": 0.3}
    mlm = {"format": 1, "run": run, "rows": losses, "unmeasured": [], "measured_on": measured_on}
    write_json(folder / "mlm.json", mlm)
    for owner, phase in content["lineage"]:
        write_json(results / "evaluation" / owner / "contexts" / f"{phase}.json", _contexts(owner, phase))
    if run == "small":
        write_json(folder / "test.json", mlm | {"measured_on": measured_on | {"split": "test", "uses": 2}})
    hidden = {"pieces": 5, "tokens": 300, "bytes": 900, "loss": 4.5, "loss_stderr": 0.1, "pseudo_perplexity": 90.5}
    hidden["bits_per_byte"] = 2.164
    parts = [(one, part) for one in sorted(content["languages"]) for part in (None, *content["languages"][one])]
    alone = [hidden | {"language": language, "source": source} for language, source in parts]
    write_json(folder / "pseudo_perplexity.json", {"format": 1, "run": run, "rows": alone, "seed": 1})
    guesses = [
        {"token": token, "probability": 0.5 / 2**i} for i, token in enumerate((" vapaina", "<b>", "|", " ", "."))
    ]
    blanks = [
        {"language": language, "prompt": prompt, "predictions": guesses}
        for language, prompt in sorted(content["prompts"].items())
    ]
    write_json(folder / "fill_mask.json", {"format": 1, "run": run, "rows": blanks})
    model = results / "models" / run
    model.mkdir(parents=True)
    tensors = {"embeddings": np.zeros((12, 34), np.float32), "bias": np.zeros(56, np.float32)}
    save_file(tensors, model / "model.safetensors")
    write_json(model / "config.json", {"max_position_embeddings": 256, "vocab_size": 4032})
