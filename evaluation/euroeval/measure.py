"""Stage: EuroEval measures an encoder on a data set; its result is read back: scores, interval, how it was made.

EuroEval trains the encoder once an iteration, on examples drawn with replacement, until it does not get
better on those of `dev`, and measures it on test examples that are drawn so too. Its score is the mean over the
iterations, in points of 100, and its interval that mean and 1.96 standard errors of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError, run_command
from common.files import read_json, write_json
from common.intervals import CONFIDENCE
from common.processes import spawn_bound
from corpus.hub.reach import out_of_reach
from evaluation.euroeval import runner
from evaluation.euroeval.directory import prepare
from evaluation.euroeval.examples import write_dataset
from evaluation.hub import HubAbsentError, write_unmeasured
from evaluation.results import FORMAT
from recipe.slices.files import read_slice
from recipe.slices.types import EuroEvalSlice

COMMAND = "python -m evaluation.euroeval.measure"
PATIENCE, SERVER_FAILURE = 10.0, 500
"""Seconds that the hub may take to answer, and from which of its answers on it is out of order."""
SHORT = 512
"""Tokens that EuroEval reads of a text where a model does not say that it takes at least 128."""


def run(python: str, content: EuroEvalSlice, model: str, untrained: bool, work: Path) -> dict[str, Any]:
    """Return what EuroEval found of an encoder on a data set.

    Args:
        python: interpreter that has EuroEval.
        content: slice of the data set.
        model: config.json of the encoder's directory, or its name on the hub.
        untrained: begin from random weights of the same shape.
        work: an empty folder, for all that is kept meanwhile.

    Raises:
        HubAbsentError: something is on the hub, which is out of reach.
        UserError: EuroEval could not measure.
    """
    prepare(model, work / "model", untrained, content.seed)
    job: dict[str, Any] = {"dataset": content.name, "iterations": content.iterations, "local": None}
    job |= {"model": str(work / "model"), "folder": str(work), "cache": str(hub_cache())}
    if content.local is not None:
        labels = write_dataset(content.local, content.seed, work / "data")
        job["local"] = {"folder": str(work / "data"), "labels": labels} | content.local.model_dump(
            mode="json", include={"kind", "language"}
        )
        job["cache"] = str(work / "cache")
    write_json(work / "job.json", job)
    offline = content.local is not None or not hub_answers()
    # -I: nothing of this environment's Python, not even the folder of the runner, is looked at.
    command = [python, "-I", "-X", "utf8", runner.__file__, str(work / "job.json"), str(work / "result.json")]
    try:
        status = spawn_bound(command, _environment(offline)).wait()
    except OSError:
        raise UserError(f"{python} does not run; delete results/euroeval/environment.json and run again.") from None
    if status:
        raise UserError(f"EuroEval ended with status {status} before it was done; the lines above say why.")
    found: dict[str, Any] = read_json(work / "result.json")
    if "failed" in found:
        told = " ".join(found["failed"].split()).rstrip(".")
        if content.local is None and offline:
            raise HubAbsentError(
                f"EuroEval's data set {content.name} needs the hub, which is out of reach, and is not kept below "
                "HF_HOME; fetch it once where there is a network, with HF_HOME on a disk that both see."
            )
        raise UserError(f"EuroEval could not measure {content.name} ({told}).")
    return found


def read_back(found: Mapping[str, Any], content: EuroEvalSlice, untrained: bool) -> dict[str, Any]:
    """Return what a result tells, from what the runner left."""
    record, points = found["record"], found["points"]
    total = record["results"]["total"]
    measured = {}
    for metric in found["metrics"]:
        value, radius = total[f"test_{metric}"], total[f"test_{metric}_se"]
        measured[metric] = {"value": value, "interval": [value - radius, value + radius], "values": points[metric]}
    main, *others = measured
    length = record["max_sequence_length"]
    return {
        "kind": record["task"],
        "language": content.local.language if content.local else record["languages"][0],
        "metric": main,
        **measured[main],
        "confidence": CONFIDENCE,
        "also": {metric: measured[metric] for metric in others},
        "iterations": len(points[main]),
        "examples": found["examples"]["test"],
        "how": {
            "untrained": untrained,
            "tokens_read": length if length > 0 else SHORT,
            "examples": {split: found["examples"][split] for split in ("train", "dev")},
            "parameters": record["num_model_parameters"],
            "task": content.model_dump(mode="json"),
            "euroeval": record["euroeval_version"],
            "transformers": record["transformers_version"],
            "torch": record["torch_version"],
        },
    }


def hub_cache() -> Path:
    """Return where EuroEval keeps its data sets of the hub: where all else of the hub is kept."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME).absolute() / "euroeval"


def hub_answers() -> bool:
    """Return whether the hub is within reach. EuroEval itself would try for minutes, and not say that this was it."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        answer = get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    except Exception as error:
        if out_of_reach(error):
            return False
        raise
    return bool(answer.status_code < SERVER_FAILURE)


def _environment(offline: bool) -> dict[str, str]:
    settings = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # of services that are not asked here
    return settings | ({"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if offline else {})


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Let EuroEval measure an encoder on a data set.")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the data set, from the recipe")
    parser.add_argument("--environment", type=Path, required=True, help="JSON that names EuroEval's interpreter")
    parser.add_argument("--model", required=True, help="config.json of a model, or its name on the hub")
    parser.add_argument("--untrained", action="store_true", help="begin from random weights instead of the model's")
    parser.add_argument("--system", required=True, help="name of the encoder, for the result")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    content, output = read_slice(arguments.slice, EuroEvalSlice), arguments.output.absolute()
    facts = {"system": arguments.system, "task": content.name}
    environment = read_json(arguments.environment)
    work = output.with_name(f".{output.stem}.work")
    shutil.rmtree(work, ignore_errors=True)  # what a killed attempt left
    begun = time.monotonic()
    try:
        if "unmeasured" in environment:
            raise HubAbsentError(environment["unmeasured"])
        work.mkdir(parents=True)
        found = run(environment["python"], content, arguments.model, arguments.untrained, work)
    except HubAbsentError as error:
        write_unmeasured(output, str(error), **facts)
        return
    finally:
        shutil.rmtree(work, ignore_errors=True)
    told = read_back(found, content, arguments.untrained)
    told["how"] |= {"seconds": round(time.monotonic() - begun, 1), "packages": environment["requirements_sha256"]}
    write_json(output, {"format": FORMAT, **facts, **told})
    low, high = told["interval"]
    print(
        f"{arguments.system} on {content.name}: {told['metric']} {told['value']:.2f} ({low:.2f} to {high:.2f}, "
        f"{told['iterations']} iterations, {told['examples']:,} examples)"
    )


if __name__ == "__main__":
    run_command(main)
