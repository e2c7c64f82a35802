"""Stage: nDCG@10 of one system on one retrieval task, with an interval over its queries.

The system is the best of an encoder's fine-tunings by their dev score, or BM25 where none is given.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError, run_command
from common.files import read_json, write_json
from common.intervals import CONFIDENCE, bootstrap_interval
from evaluation.hub import HubAbsentError, leave_the_hub, write_unmeasured
from evaluation.retrieval.fine_tune import FORMAT, MODEL
from evaluation.retrieval.tasks import SPLIT, open_task
from recipe.slices.files import read_slice
from recipe.slices.types import RetrievalTaskSlice

COMMAND = "python -m evaluation.retrieval.measure"


def choose(results: list[Path]) -> tuple[Path, dict[str, Any]]:
    """Return the result of the fine-tuning with the best dev score, of equal ones the lowest learning rate.

    Raises:
        UserError: a file is no such result.
    """
    read = {path: read_json(path) for path in results}
    for path, content in read.items():
        if not isinstance(content, dict) or content.get("format") != FORMAT or "dev" not in content:
            raise UserError(f"{path} is no result of a fine-tuning; delete it and run it again.")
    best = min(read, key=lambda path: (-read[path]["dev"]["ndcg_at_10"], read[path]["learning_rate"]))
    return best, read[best]


def refuse_unmeasured(results: list[Path]) -> None:
    """Raise the `HubAbsentError` again for which a fine-tuning could not be done; a rate less is another choice."""
    for path in results:
        content = read_json(path)
        if isinstance(content, dict) and "unmeasured" in content:
            raise HubAbsentError(str(content["unmeasured"]))


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Measure an encoder, or BM25, on a retrieval task.")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the task, from the recipe")
    parser.add_argument("--system", required=True, help="name of what is measured, for the result")
    parser.add_argument(
        "--candidates", type=Path, nargs="*", default=[], help="result.json of its fine-tunings; none for BM25"
    )
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, RetrievalTaskSlice)
    where = content.mteb or content.folder
    facts = {"system": arguments.system, "task": content.name, "where": where}
    try:
        refuse_unmeasured(arguments.candidates)
        task = open_task(content.name, content, SPLIT)
    except HubAbsentError as error:
        write_unmeasured(arguments.output, str(error), **facts)
        return
    leave_the_hub()
    from evaluation.retrieval.ranking import METRIC, expected_at_random, grade, rank_by_bm25, rank_by_encoder

    how: dict[str, Any] = {"bm25s": version("bm25s")}
    if arguments.candidates:
        from sentence_transformers import SentenceTransformer

        chosen, result = choose(arguments.candidates)
        how = {
            **result["how"],
            "learning_rate": result["learning_rate"],
            "dev": result["dev"],
            "mteb": version("mteb"),
            "sentence_transformers": version("sentence-transformers"),
        }
        encoder = SentenceTransformer(str(chosen.parent / MODEL))
        encoder.max_seq_length = content.length or encoder.max_seq_length
        how["tokens_read"] = encoder.max_seq_length
        ranking = rank_by_encoder(encoder, task)
    else:
        ranking = rank_by_bm25(task)
    scores = grade(ranking, task.relevant)
    values = np.array(list(scores.values()))
    low, high = bootstrap_interval(values, content.seed)
    write_json(
        arguments.output,
        {
            "format": FORMAT,
            **facts,
            "split": task.split,
            "metric": METRIC,
            "value": float(values.mean()),
            "interval": [low, high],
            "confidence": CONFIDENCE,
            "chance": expected_at_random(task),
            "queries": len(task.queries),
            "documents": len(task.corpus),
            "seed": content.seed,
            "how": how,
            "scores": {query: round(score, 6) for query, score in scores.items()},
        },
    )
    print(
        f"{arguments.system} on {content.name}: nDCG@10 {values.mean():.4f} ({low:.4f} to {high:.4f}, "
        f"{len(task.queries):,} queries, {len(task.corpus):,} documents)"
    )


if __name__ == "__main__":
    run_command(main)
