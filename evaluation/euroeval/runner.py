"""What EuroEval's own interpreter runs: one encoder on one data set. It imports nothing of Alasin.

    python -I runner.py JOB RESULT

JOB and RESULT are JSON; `evaluation.euroeval.measure` writes the one and reads the other. EuroEval would fetch its
metrics from the hub, as a few lines of code each around sklearn, seqeval and SQuAD's rules; they are computed here by
the same functions, so that local data needs no hub.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROBE_SECONDS = 5.0
"""EuroEval asks several times whether there is a network, and would wait for minutes where packets are dropped."""


class Metric:
    """A metric in the place of the one that EuroEval would fetch under this name."""

    def __init__(self, name: str) -> None:
        """Take the name that it has on the hub."""
        self.name = name

    def compute(self, predictions: Any, references: Any, **settings: Any) -> dict[str, float]:
        """Return the score by the key that EuroEval looks for, a share of 1; SQuAD's in points of 100."""
        return _SCORES[self.name](predictions, references, **settings)


def _matthews(predictions: Any, references: Any) -> dict[str, float]:
    from sklearn.metrics import matthews_corrcoef

    return {"matthews_correlation": float(matthews_corrcoef(references, predictions))}


def _f1(predictions: Any, references: Any, average: str) -> dict[str, float]:
    from sklearn.metrics import f1_score

    return {"f1": float(f1_score(references, predictions, average=average))}


def _entities(predictions: Any, references: Any) -> dict[str, float]:
    from seqeval.metrics import classification_report

    report = classification_report(y_true=references, y_pred=predictions, output_dict=True)
    return {"overall_f1": float(report["micro avg"]["f1-score"])}


def _answers(predictions: Any, references: Any) -> dict[str, float]:
    from transformers.data.metrics.squad_metrics import compute_exact, compute_f1, normalize_answer

    exact = f1 = 0.0
    for guess, truth in zip(predictions, references, strict=True):
        wanted = [text for text in truth["answers"]["text"] if normalize_answer(text)] or [""]
        exact += max(compute_exact(text, guess["prediction_text"]) for text in wanted)
        f1 += max(compute_f1(text, guess["prediction_text"]) for text in wanted)
    return {"exact": 100 * exact / len(references), "f1": 100 * f1 / len(references)}


_SCORES: dict[str, Callable[..., dict[str, float]]] = {
    "matthews_correlation": _matthews,
    "f1": _f1,
    "seqeval": _entities,
    "squad_v2": _answers,
}


def configuration(job: dict[str, Any]) -> Any:
    """Return EuroEval's description of the data set of a job: its own, or one made of local files."""
    from euroeval.data_models import DatasetConfig
    from euroeval.dataset_configs import get_dataset_config
    from euroeval.languages import get_all_languages
    from euroeval.tasks import NER, RC, TEXT_CLASSIFICATION

    local = job["local"]
    if local is None:
        return get_dataset_config(job["dataset"], Path("none"))
    # NER and not TOKEN_CLASSIFICATION, whose metrics lack one that EuroEval 16.11 looks for.
    task = {"classification": TEXT_CLASSIFICATION, "tagging": NER, "qa": RC}[local["kind"]]
    languages = get_all_languages()
    return DatasetConfig(
        name=job["dataset"],
        pretty_name=job["dataset"],
        source=local["folder"],
        task=task,
        # For generative models only, which get prompts in it; any would do for an encoder.
        languages=[languages.get(local["language"], languages["en"])],
        _labels=local["labels"] or None,
        _prompt_label_mapping="auto",
    )


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Return EuroEval's record of a job, the scores of each iteration in its points, and the sizes of the splits."""
    from euroeval import Benchmarker
    from euroeval.data_loading import load_raw_data

    dataset = configuration(job)
    for metric in dataset.task.metrics:
        metric.metric = Metric(metric.huggingface_id)
    benchmarker = Benchmarker(
        progress_bar=False,
        save_results=False,
        raise_errors=True,
        force=True,
        evaluate_test_split=True,
        num_iterations=job["iterations"],
        cache_dir=job["cache"],
        custom_datasets_file=Path("none"),
    )
    records = benchmarker.benchmark(model=job["model"], dataset=dataset)
    if not records:
        raise RuntimeError("EuroEval measured nothing and did not say why")
    record = records[0].model_dump(mode="json")
    splits = load_raw_data(dataset, job["cache"])
    return {
        "record": record,
        "metrics": [metric.name for metric in dataset.task.metrics],
        "points": {
            metric.name: [
                metric.postprocessing_fn(one[metric.name] if metric.name in one else one[f"test_{metric.name}"])[0]
                for one in record["results"]["raw"]
            ]
            for metric in dataset.task.metrics
        },
        "examples": {"train": len(splits["train"]), "dev": len(splits["val"]), "test": len(splits["test"])},
    }


def main() -> None:
    """Run a job from the command line."""
    job, result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    os.chdir(job["folder"])
    socket.setdefaulttimeout(PROBE_SECONDS)
    try:
        found = measure(job)
    except Exception as error:
        traceback.print_exc()
        found = {
            "failed": f"{type(error).__name__}: {error}",
        }
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
