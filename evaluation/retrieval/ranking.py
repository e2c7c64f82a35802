"""Rankings of a task's documents, by a system or by BM25, and their nDCG@10 query by query.

Encoders are run and measured by `mteb`, on local tasks and its own alike; BM25 by `bm25s`. The grade of each query
comes from `pytrec_eval`, which `mteb` uses too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from math import log2
from pathlib import Path
from typing import Any

import bm25s
import mteb
import pytrec_eval
from datasets import Dataset
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

from evaluation.retrieval.tasks import Task

METRIC = "ndcg_at_10"
DEPTH = 10
SUBSET, SPLIT = "default", "test"
"""Of a task in memory; whatever it was made from."""
BATCH = 64
"""Texts that an encoder is given at a time, fewer where they may be long: see `BATCH_TOKENS`."""
BATCH_TOKENS = 1 << 15
"""At most so many tokens at a time; the mask of attention grows with the square of a text."""

Ranking = Mapping[str, Mapping[str, float]]
"""Query -> document -> score, the higher the nearer."""


def rank_by_encoder(encoder: Any, task: Task) -> Ranking:
    """Return what a `SentenceTransformer` finds for each query, as `mteb` runs it; in bf16 on a GPU."""
    import torch

    batch = max(1, min(BATCH, BATCH_TOKENS // encoder.max_seq_length))
    on_gpu = encoder.device.type == "cuda"
    with tempfile.TemporaryDirectory() as folder, torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
        local = _as_mteb(task)
        mteb.evaluate(
            encoder,
            [local],
            cache=None,
            encode_kwargs={"batch_size": batch},
            prediction_folder=Path(folder),
            show_progress_bar=False,
            co2_tracker=False,
        )
        content = json.loads((Path(folder) / local.prediction_file_name).read_bytes())
    found: Ranking = content[SUBSET][SPLIT]
    return found


def _as_mteb(task: Task) -> AbsTaskRetrieval:
    """Return a task as one of `mteb`, whose name may hold no hyphen."""

    class InMemory(AbsTaskRetrieval):  # type: ignore[misc]
        metadata = TaskMetadata(
            name=task.name.replace("-", "_"),
            description="A task in memory.",
            type="Retrieval",
            category="t2t",
            reference=None,
            dataset={"path": "in/memory", "revision": "1"},
            eval_splits=[SPLIT],
            eval_langs=["und-Zyyy"],
            main_score=METRIC,
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
            prompt=None,
        )

    made = InMemory()
    made.dataset = {
        SUBSET: {
            SPLIT: {
                "corpus": Dataset.from_list(_texts(task.corpus)),
                "queries": Dataset.from_list(_texts(task.queries)),
                "relevant_docs": {query: dict(grades) for query, grades in task.relevant.items()},
                "top_ranked": None,
            }
        }
    }
    made.data_loaded = True
    return made


def _texts(named: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"id": name, "text": text} for name, text in named.items()]


def rank_by_bm25(task: Task) -> Ranking:
    """Return the documents that BM25 finds for each query: words in lower case, none of them left out or stemmed."""
    names = list(task.corpus)
    index = bm25s.BM25()
    index.index(_words(list(task.corpus.values())), show_progress=False)
    found, scores = index.retrieve(_words(list(task.queries.values())), k=min(DEPTH, len(names)), show_progress=False)
    return {
        query: {names[place]: float(score) for place, score in zip(places, own, strict=True) if score > 0}
        for query, places, own in zip(task.queries, found.tolist(), scores.tolist(), strict=True)
    }


def _words(texts: list[str]) -> Any:
    return bm25s.tokenize(texts, token_pattern=r"(?u)\b\w+\b", stopwords=None, show_progress=False)


def grade(ranking: Ranking, relevant: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return nDCG@10 (Järvelin and Kekäläinen 2002) of each query; 0 where nothing was found for it."""
    judge = pytrec_eval.RelevanceEvaluator({query: dict(own) for query, own in relevant.items()}, {"ndcg_cut.10"})
    graded = judge.evaluate({query: dict(own) for query, own in ranking.items() if own})
    return {query: float(graded[query]["ndcg_cut_10"]) if query in graded else 0.0 for query in relevant}


def expected_at_random(task: Task) -> float:
    """Return the expected nDCG@10 of a ranking at random, mean over the queries.

    Each of the n documents is equally likely at each rank, so that the gain expected at a rank is the sum of the
    query's grades over n; that of the best ranking is the same for all.
    """
    discounts = [1 / log2(rank + 1) for rank in range(1, DEPTH + 1)]
    reached = sum(discounts[: len(task.corpus)]) / len(task.corpus)
    means = [
        sum(own.values())
        * reached
        / sum(grade * discount for grade, discount in zip(sorted(own.values(), reverse=True), discounts, strict=False))
        for own in task.relevant.values()
    ]
    return sum(means) / len(means)
