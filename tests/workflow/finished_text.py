"""What a finished workflow tells of its text, made by hand: manifests of documents, and the statistics."""

from pathlib import Path
from typing import Any

from common.files import write_json
from workflow.dag import Dag
from workflow.statistics.repetition import ALL, Read
from workflow.statistics.text import of_languages, of_source
from workflow.statistics.warning import warning

STEPS = ("reading", "repair", "language", "filters", "quality", "private data", "duplicates", "held-out text")
REMOVED = {
    "another language": "Detta är <b>inte</b> finska, skriv till anna.virtanen@esimerkki.fi eller",
    "held-out line": "A line that is held out. " * 12,
}


def write_text(results: Path, dag: Dag) -> None:
    """Write a manifest of documents for each source, and the statistics of them all."""
    told = {}
    for number, (name, source) in enumerate(dag.recipe.sources.items()):
        content = _manifest(name, source.language, number)
        write_json(results / "corpus" / name / "manifest.json", content)
        splits = {split: {"ids": 1000 + number, "text_bytes": 3000} for split in content["splits"]}
        told[name] = of_source(content, {"demo": {"splits": splits}})
    runs = {run: _reads(dag, run) for run in dag.recipe.runs}
    found = {"documents": 5, "lines": 7, "bytes": 1234}
    sets = {"held out of udhr-fi": {"interface-fi": found, "interface-en": found}, "held out of udhr-sv": {}}
    sets |= {"quiz": {"pydoc-en": found | {"bytes": 99}}, "riddles": {}}
    content = {
        "format": 1,
        "sources": told,
        "languages": of_languages(told),
        "contamination": {"words": 13, "cut_out": True, "evaluation_sets": ["quiz", "riddles"], "sets": sets},
        "phases": _phases(dag, runs),
        "runs": {
            run: {"tokenizer": "demo", "phases": dag.way(run), "sources": own} for run, own in _told(runs).items()
        },
        "max_epochs": 4.0,
        "warning": warning(runs, 4.0),
    }
    write_json(results / "statistics.json", content)


def _manifest(name: str, language: str, number: int) -> dict[str, Any]:
    """A source of which each step takes a little, but for repair, filters and quality; nothing of the first."""
    split = {"documents": 10 + number, "bytes": 100_000, "words": 10_000, "files": []}
    documents, steps = 40 + 3 * number, []
    for place, step in enumerate(STEPS):
        taken = number and step in ("language", "duplicates", "held-out text")
        documents -= 2 if taken else 0
        bytes_ = 400_000 - (place * 1000 if number else 0)
        steps.append({"step": step, "documents": documents, "bytes": bytes_, "words": bytes_ // 8})
    told: dict[str, Any] = {
        key: {} for key in ("dropped", "dropped_bytes", "changed", "cut_bytes", "removed", "rejected")
    }
    if number:
        told["dropped"], told["dropped_bytes"] = {"another language": 2}, {"another language": 2000}
        told["changed"], told["cut_bytes"] = {"replaced: email": 3, "held-out line": 1}, {"held-out line": 500}
        told["removed"] = {
            reason: [{"order": f"{number:016x}", "excerpt": text[:240], "detail": "sv 0.98"}]
            for reason, text in REMOVED.items()
        }
    lengths = {"word_histogram": [1, 9, 10], "word_histogram_before": [2, 9, 10, 4]}
    content = {
        "format": 5,
        "source": name,
        "language": language,
        "read": 40 + 3 * number,
        "examples": [],
        "steps": steps,
    }
    return content | told | lengths | {"splits": dict.fromkeys(("train", "validation", "test"), split)}


def _reads(dag: Dag, run: str) -> dict[str, Read]:
    """A run reads each source as often as its factor in the first mixture, long ones of one far more often."""
    factors = dag.recipe.mixtures["baseline"].factors
    reads = {name: Read(1000 * factor, factor, {ALL: [1000 * factor, factor]}) for name, factor in factors.items()}
    if run == "small-fi":
        reads["pydoc-en"].add(Read(500, 0.5, {(100, None): [500, 11.5]}))
    return reads


def _phases(dag: Dag, runs: dict[str, dict[str, Read]]) -> list[dict[str, Any]]:
    """Each phase of a run reads as much."""
    return [
        {
            "run": run,
            "phase": phase,
            "sources": {name: {"tokens": 1, "epochs": read.epochs / len(dag.way(run))} for name, read in own.items()},
        }
        for run, own in runs.items()
        for owner, phase in dag.way(run)
        if owner == run
    ]


def _told(runs: dict[str, dict[str, Read]]) -> dict[str, Any]:
    def most(read: Read) -> dict[str, Any]:
        epochs, (least, too_many) = read.most()
        return {"most_read": {"epochs": epochs, "min_words": least, "max_words": too_many}}

    return {run: {name: read.told() | most(read) for name, read in reads.items()} for run, reads in runs.items()}
