"""The model card of a run: README.md beside its weights, with the front matter that the Hugging Face Hub reads.

Like the report it is made from the files of a finished workflow alone; the words are in `templates/card.md.j2`.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from common.errors import run_command
from common.files import atomic_file
from recipe.slices.making import model_name
from workflow.report import euroeval, retrieval, text, understanding
from workflow.report.card_limits import beginning, limits
from workflow.report.card_metadata import example_line, front_matter
from workflow.report.fertility import of_languages, read_tokenizers
from workflow.report.html import environment
from workflow.report.metrics import ENDS
from workflow.report.results import PhaseResult, Results


def render(results: Results, run: str) -> str:
    """Return the card of a run as Markdown.

    Raises:
        UserError: naming the file that is missing or lacks something.
    """
    content = results.lineage(run)
    phases = results.phases(run)
    sources = results.sources([run])
    held_out = results.held_out(run)
    fill_mask = results.fill_mask(run)
    retrieved, understood = retrieval.read_results(results.folder), understanding.read_results(results.folder)
    benchmarked = euroeval.read_results(results.folder)
    measured = retrieval.indexed(run, retrieved) + understanding.indexed(run, understood)
    measured += euroeval.indexed(run, benchmarked)
    drawn = drawn_tokens(phases)
    statistics = results.statistics()
    names = [source.name for source in sources]
    recipe = results.recipe()
    start = recipe.models[model_name(recipe, run)].start
    contamination, publish = text.contamination(statistics["contamination"], names), results.publish()
    by_language: Counter[str] = Counter()
    for source in sources:
        by_language[source.language] += drawn[source.name]
    context = {
        "run": run,
        "front_matter": front_matter(
            content.languages,
            publish,
            results.hub_datasets(run),
            fill_mask,
            [{"name": run, "results": measured}] if measured else [],
        ),
        "example_line": example_line(run),
        "publish": publish,
        "beginning": beginning(start),
        "from_others": start is not None and start.directory is not None,
        "average": recipe.runs[run].average,
        "limits": limits(by_language, phases, held_out, contamination),
        "retrieval": [one for one in retrieved if one["system"] == run],
        "understanding": [one for one in understood if one["system"] == run],
        "metrics": understanding.METRICS,
        "euroeval": [one for one in benchmarked if one["system"] == run],
        "euroeval_metrics": euroeval.METRICS,
        "languages": sorted(content.languages),
        "shape": content.model,
        "model": results.model(run),
        "tokenizer": results.tokenizer(content.tokenizer),
        "entries_missing": results.entries_missing(content.tokenizer),
        "sources": sources,
        "made": [source for source in sources if source.made],
        "prompt": fill_mask[0].prompt if fill_mask else "[MASK]",
        "drawn": drawn,
        "total": drawn.total(),
        "cleaning": text.steps_table({name: statistics["sources"][name] for name in names}),
        "changed": text.changed(sources),
        "contamination": contamination,
        "by_language": dict(by_language.most_common()),
        "phases": phases,
        "held_out": held_out,
        "unmeasured": results.unmeasured(run),
        "measured_on": results.measured_on(run),
        "overlap": [row for row in results.overlap(run) if row["seen"]],
        "test": results.test(run) if run in results.tested() else None,
        "pseudo": [row for row in results.pseudo_perplexity(run) if row.source is None],
        "fertility": of_languages(read_tokenizers(results.folder), content.tokenizer, content.languages),
        "fill_mask": fill_mask,
        "ends": ENDS,
    }
    templates = environment()
    templates.filters["cell"] = cell
    return templates.get_template("card.md.j2").render(context)


def drawn_tokens(phases: Sequence[PhaseResult]) -> Counter[str]:
    """Return source -> real tokens trained on over the whole lineage."""
    drawn: Counter[str] = Counter()
    for phase in phases:
        drawn.update(phase.drawn)
    return drawn


def cell(words: str) -> str:
    """Return text that is shown as it is in a cell of a Markdown table."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(words.split()))


def main() -> None:
    """Write a card from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.report.card", description="Write the model card of a finished run."
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="directory of results (default: results)")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file to write, beside the model")
    arguments = parser.parse_args()
    card = render(Results(arguments.results), arguments.run)
    with atomic_file(arguments.output, "w") as stream:
        stream.write(card)
    print(f"{arguments.output}: card of {arguments.run}")


if __name__ == "__main__":
    run_command(main)
