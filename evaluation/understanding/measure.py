"""Stage: an encoder is fine-tuned for a task and measured on it: each seed's score, their mean, and an interval.

Each learning rate is tried with the first seed, and the one that is best on the dev examples is taken, of equal ones
the lowest. The other seeds are trained at that rate; the test examples are asked once a seed. With `--untrained` the
encoder begins from random weights: what pre-training is worth is the difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common.errors import run_command
from common.files import write_json
from common.intervals import CONFIDENCE
from common.summed_scores import scored
from evaluation.hub import HubAbsentError, leave_the_hub, write_unmeasured
from evaluation.results import FORMAT
from evaluation.understanding.examples import Splits, read_splits
from recipe.slices.files import read_slice
from recipe.slices.types import UnderstandingSlice

COMMAND = "python -m evaluation.understanding.measure"


def measure(model: str, content: UnderstandingSlice, splits: Splits, untrained: bool) -> dict[str, Any]:
    """Return what an encoder reaches on a task, and how that was made.

    Args:
        model: config.json of the encoder's directory, or its name on the hub.
        content: slice of the task.
        splits: its examples.
        untrained: begin from random weights instead of the encoder's.

    Raises:
        HubAbsentError: the encoder is on the hub, which is out of reach.
        UserError: it is absent or damaged.
    """
    from evaluation.understanding.answering import Answering
    from evaluation.understanding.classification import Classification
    from evaluation.understanding.fine_tuning import build, outputs, read_tokenizer, train
    from evaluation.understanding.given import by_tokens, cuts_of, described
    from evaluation.understanding.kinds import Kind
    from evaluation.understanding.multilabel import Multilabel
    from evaluation.understanding.tagging import Tagging

    kinds = {
        "classification": Classification,
        "pairs": Classification,
        "multilabel": Multilabel,
        "tagging": Tagging,
        "qa": Answering,
    }
    tokenizer, length = read_tokenizer(model, content.length)
    kind: Kind = kinds[content.kind](tokenizer, length, splits.train)
    learnt, dev = kind.inputs(splits.train, True), kind.inputs(splits.dev, False)
    # Long contexts are read in windows; of other texts nothing beyond what is read at once is.
    cuts = cuts_of(kind, splits.test, content.given, None if content.kind == "qa" else length)
    chooses = kind.metrics[0]

    def tuned(rate: float, seed: int) -> Any:
        encoder = build(model, kind.head, len(kind.labels), untrained, seed, kind.problem)
        leave_the_hub()
        train(encoder, learnt, content, rate, seed)
        return encoder

    def score(metric: str, examples: Sequence[Any], answers: Sequence[Any]) -> float:
        return float(scored(metric, [kind.rows(metric, examples, answers)]).values()[0])

    tried: dict[float, float] = {}
    first: Any = None
    for rate in sorted(content.learning_rates):
        encoder = tuned(rate, content.seed)
        reached = score(chooses, splits.dev, kind.answers(splits.dev, outputs(encoder, dev)))
        if first is None or reached > max(tried.values()):
            first, best = encoder, rate
        tried[rate] = reached
        print(f"learning rate {rate:g}: {chooses} {reached:.4f} on {len(splits.dev):,} dev examples", flush=True)
    seeds = [content.seed + number for number in range(content.seeds)]

    def encoders() -> Iterator[Any]:
        yield first
        yield from (tuned(best, seed) for seed in seeds[1:])

    said = [[kind.answers(cut.examples, outputs(each, cut.inputs)) for cut in cuts] for each in encoders()]
    measured = {}
    for metric in kind.metrics:
        counts = [kind.rows(metric, splits.test, own[-1]) for own in said]
        measured[metric] = described(metric, counts, content.seed) | {
            "baseline": score(metric, splits.test, kind.guess(splits.test)),
        }
    main, *others = kind.metrics
    counts = [kind.rows(main, splits.test, own[-1]) for own in said]
    return {
        "metric": main,
        **measured[main],
        "confidence": CONFIDENCE,
        "counts": [[[round(float(one), 6) for one in row] for row in own] for own in counts],
        "also": {metric: measured[metric] for metric in others},
        **by_tokens(kind, splits.test, cuts, said, content.seed),
        "baseline_is": kind.baseline,
        "examples": len(splits.test),
        "seeds": seeds,
        "how": {
            "untrained": untrained,
            "tokens_read": length,
            "learning_rate": best,
            "tried": {f"{rate:g}": reached for rate, reached in tried.items()},
            "examples": {"train": len(splits.train), "dev": len(splits.dev)},
            "mended": splits.mended(),
            "labels": list(kind.labels),
            "task": content.model_dump(mode="json"),
            "transformers": version("transformers"),
            "torch": version("torch"),
        },
    }


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Fine-tune an encoder for a task and measure it.")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the task, from the recipe")
    parser.add_argument("--model", required=True, help="config.json of a model, or its name on the hub")
    parser.add_argument("--untrained", action="store_true", help="begin from random weights instead of the model's")
    parser.add_argument("--system", required=True, help="name of the encoder, for the result")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, UnderstandingSlice)
    facts = {"system": arguments.system, "task": content.name, "kind": content.kind, "language": content.language}
    try:
        splits = read_splits(content, content.seed)
        found = measure(arguments.model, content, splits, arguments.untrained)
    except HubAbsentError as error:
        write_unmeasured(arguments.output, str(error), **facts)
        return
    write_json(arguments.output, {"format": FORMAT, **facts, **found})
    low, high = found["interval"]
    for split, counts in splits.mended().items():
        print(f"{split}: {counts['moved']:,} questions whose answers stand elsewhere, {counts['left_out']:,} left out")
    print(
        f"{arguments.system} on {content.name}: {found['metric']} {found['value']:.4f} ({low:.4f} to {high:.4f}, "
        f"{len(splits.test):,} examples, {content.seeds} seeds); {found['baseline']:.4f} by {found['baseline_is']}"
    )


if __name__ == "__main__":
    run_command(main)
