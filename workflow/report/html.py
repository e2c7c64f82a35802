"""The report: one HTML file without scripts or anything to fetch, made from the files of a finished workflow alone.

Files -> `workflow.report.results` -> the tables below and the panels of `workflow.report.figures` -> the template
`templates/report.html.j2`, which puts the sections, one file each, in order; `parts.html.j2` has what they share.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from common.errors import run_command
from common.files import atomic_file
from common.intervals import CONFIDENCE
from common.quantities import amount, clock
from recipe.slices.rowsets import parse_rowset
from workflow.report import (
    comparison,
    comparison_figures,
    cost,
    euroeval,
    fertility,
    figures,
    mixtures,
    origin,
    panels,
    retrieval,
    speed,
    text,
    understanding,
)
from workflow.report.contexts import read_contexts
from workflow.report.metrics import ENDS, FREQUENT
from workflow.report.pictures import write_pictures
from workflow.report.results import (
    CLEAR,
    HeldOut,
    PhaseResult,
    PseudoPerplexity,
    Results,
    shown,
    unique_phases,
)

Table = list[dict[str, Any]]

MISDRAWN = 0.02
"""Share of a phase's tokens that may come from other sources than asked for, total variation distance. A phase of few
rows may miss by more, 1 / sqrt(rows): the order inside a block of the mixture is random."""
FULL = 0.95
"""Share of the slots of packed rows that ought to hold tokens."""


def render(results: Results, title: str, runs: Sequence[str]) -> str:
    """Return the report as HTML; arguments and errors as of `gathered`."""
    return environment().get_template("report.html.j2").render(gathered(results, title, runs))


def gathered(results: Results, title: str, runs: Sequence[str]) -> dict[str, Any]:
    """Return all that the templates of the report show, by their names for it.

    Args:
        results: where the files are.
        title: heading of the report.
        runs: in the order in which they are shown.

    Raises:
        UserError: naming the file that is missing or lacks something.
    """
    lineages = {run: results.phases(run) for run in runs}
    phases = unique_phases(lineages.values())
    held_out = {run: results.held_out(run) for run in runs}
    sources = results.sources(runs)
    mixed = {phase.name: mixtures.mixture_rows(results, phase) for phase in phases}
    statistics = results.statistics()
    fills = fill_rows(results, phases)
    languages = sorted({source.language for source in sources})
    compared = comparison.read_comparison(results.folder, runs)
    return {
        "answer": comparison.told(compared),
        "overlaid": comparison_figures.overlaid(compared, lineages),
        "title": title,
        "runs": runs,
        "languages": languages,
        "sources": sources,
        "documents": sum(source.total("documents") for source in sources),
        "bytes": sum(source.total("bytes") for source in sources),
        "models": [model_row(results, run, lineages[run], held_out[run]) for run in runs],
        "glance": [*glance(held_out, phases, mixed, fills), *small_tokenizers(results, runs)],
        "lineages": lineages,
        "histories": origin.steps(lineages),
        "trained": origin.trained(results, phases),
        "calls": origin.calls(results),
        "shapes": origin.shapes(results, runs),
        "main_packages": origin.main_packages,
        "phases": phases,
        "ends": ENDS,
        "clear": CLEAR,
        "frequent": FREQUENT,
        "measured_on": {run: results.measured_on(run) for run in runs},
        "held_out": held_out,
        "unmeasured": {run: results.unmeasured(run) for run in runs},
        "comparison": comparison_rows(held_out),
        "overlap": {row["source"]: row for run in runs for row in results.overlap(run) if row["split"] == "validation"},
        "test": test_rows(results, runs),
        "pseudo": pseudo_rows({run: results.pseudo_perplexity(run) for run in runs}),
        "contexts": {
            run: read_contexts(results.folder, results.lineage(run).lineage)
            for run in runs
            if results.lineage(run).context_documents
        },
        "text": text.told(statistics, sources),
        "matrix": mixtures.matrix(statistics, sources, lineages, mixed),
        "made": {source.name for source in sources if source.made},
        "fills": fills,
        "fertility": fertility.table(fertility.read_tokenizers(results.folder)),
        "speeds": speed.tables(results.folder),
        "cost": cost.told(results.folder),
        "confidence": CONFIDENCE,
        "retrieval": retrieval.tables(retrieval.read_results(results.folder)),
        "understanding": understanding.tables(understanding.read_results(results.folder)),
        "metrics": understanding.METRICS,
        "euroeval": euroeval.tables(euroeval.read_results(results.folder)),
        "euroeval_metrics": euroeval.METRICS,
        "blanks": (blanks := blank_rows(results, runs)),
        "prompt": blanks[0]["prompt"] if blanks else "[MASK]",
        "validation": validation_rows(lineages),
        "panels": panels.drawn(lineages, phases, held_out, languages, runs),
        "swatches": figures.swatches,
        "signs": figures.signs,
        "table_number": itertools.count(1).__next__,
    }


def environment() -> Environment:
    """Return the templates of this room with their filters; HTML is escaped, a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader("workflow.report"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"half": comparison.half, "signed": comparison.signed, "scientific": comparison_figures.scientific}
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    made.filters |= {
        "amount": amount,
        "clock": clock,
        "shown": shown,
        "percent": percent,
        "small_percent": small_percent,
    }
    return made


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage, the sign left to the heading of its column."""
    return f"{100 * share:.{digits}f}"


def small_percent(share: float) -> str:
    """Return a share that is not nothing as a percentage, so that it does not look like nothing."""
    return percent(share, 2) if abs(share) >= 0.00005 else "< 0.01"


def model_row(results: Results, run: str, phases: Sequence[PhaseResult], held_out: Sequence[HeldOut]) -> dict[str, Any]:
    """Return what the first table says of a run; times are of the whole lineage."""
    model = results.model(run)
    longest = max((row.length for row in held_out), default=None)
    last = [row for row in held_out if row.length == longest]
    return {
        "run": run,
        "parameters": model.parameters,
        "languages": sorted(results.lineage(run).languages),
        "phases": [phase.phase if phase.run == run else f"{phase.phase} (of {phase.run})" for phase in phases],
        "slots": phases[-1].slots,
        "steps": phases[-1].step,
        "training_loss": phases[-1].metrics.ends()[1],
        "longest": longest,
        "held_out_loss": float(np.mean([row.loss for row in last])) if last else None,
        "baseline": float(np.mean([row.unigram_loss for row in last])) if last else None,
        "seconds": sum(phase.metrics.seconds() for phase in phases),
        "process_hours": sum(phase.metrics.seconds() * phase.world_size for phase in phases) / 3600,
    }


def glance(
    held_out: Mapping[str, Sequence[HeldOut]],
    phases: Sequence[PhaseResult],
    mixed: Mapping[str, Table],
    fills: Table,
) -> list[tuple[bool, str]]:
    """Return what a reader wants to know first: whether it is as it should be, and a sentence."""
    rows = [(run, row) for run, measured in held_out.items() for row in measured]
    doubtful = [f"{run}: {row.language} at {row.length}" for run, row in rows if row.verdict != "yes"]
    beaten = f"{len(rows) - len(doubtful)} of {len(rows)} held-out losses are clearly below the unigram baseline"
    if not rows:
        beaten = "No held-out loss was measured: nothing is held out"
    rising = [phase.name for phase in phases if phase.metrics.ends()[1] >= phase.metrics.ends()[0]]
    fallen = f"Training loss falls in {len(phases) - len(rising)} of {len(phases)} phases"
    gaps = {name: sum(abs(row["drawn"] - row["asked"]) for row in rows) / 2 for name, rows in mixed.items()}
    where = max(gaps, key=lambda name: gaps[name])
    rows_of = {phase.name: sum(stage.tokens / stage.length for stage in phase.slice.stages) for phase in phases}
    missed = [name for name, gap in gaps.items() if gap > max(MISDRAWN, rows_of[name] ** -0.5)]
    fill = sum(row["tokens"] for row in fills) / sum(row["slots"] for row in fills)
    return [
        (bool(rows) and not doubtful, f"{beaten}{'; not so ' if doubtful else ''}{', '.join(doubtful)}."),
        (not rising, f"{fallen}{'; not in ' if rising else ''}{', '.join(rising)}."),
        (
            not missed,
            f"At most {percent(gaps[where], 2)} % of a phase's tokens are of other sources than asked for ({where}).",
        ),
        (fill > FULL, f"{percent(fill, 2)} % of the slots of the training rows hold tokens."),
    ]


def small_tokenizers(results: Results, runs: Sequence[str]) -> list[tuple[bool, str]]:
    """Return, as `glance` does, a sentence for each tokenizer that has fewer entries than the recipe asks for."""
    names = dict.fromkeys(results.lineage(run).tokenizer for run in runs)
    missing = {name: results.entries_missing(name) for name in names}
    return [
        (False, f"The tokenizer {name} is smaller than wanted: {words}.") for name, words in missing.items() if words
    ]


def validation_rows(lineages: Mapping[str, Sequence[PhaseResult]]) -> Table:
    """Return, for each run that was validated while it trained, its lowest and its last loss and what it cost."""
    rows = []
    for run, phases in lineages.items():
        measured = [one for phase in phases for one in phase.metrics.validations]
        if measured:
            spent = sum(one.seconds for one in measured)
            time = spent + sum(phase.metrics.seconds() for phase in phases)
            lowest = min(measured, key=lambda one: one.loss)
            rows.append(
                {"run": run, "times": len(measured), "lowest": lowest, "last": measured[-1], "share": spent / time}
            )
    return rows


def fill_rows(results: Results, phases: Sequence[PhaseResult]) -> Table:
    """Return how full the training rows are, one entry for a tokenizer and set of rows, all its sources together."""
    places = {
        (phase.slice.tokenizer, part.rowset, part.source)
        for phase in phases
        for stage in phase.slice.stages
        for part in stage.components
    }
    table: dict[tuple[str, int, int, float], dict[str, Any]] = {}
    for tokenizer, name, source in sorted(places):
        length, least, most = parse_rowset(name)
        index = results.rows(tokenizer, source, name)
        fresh = {"tokenizer": tokenizer, "length": length, "least": least, "most": most}
        fresh |= dict.fromkeys(("rows", "tokens", "slots", "documents", "cut_documents"), 0)
        row = table.setdefault((tokenizer, length, least, most or inf), fresh)
        for count in ("rows", "tokens", "documents", "cut_documents"):
            row[count] += index[count]
        row["slots"] += index["rows"] * length
    return [row for _, row in sorted(table.items()) if row["rows"]]


def comparison_rows(held_out: Mapping[str, Sequence[HeldOut]]) -> Table:
    """Return held-out losses with runs side by side, one entry per language and length; None where not measured."""
    found = {(row.language, row.length, run): row for run, rows in held_out.items() for row in rows}
    places = sorted({(language, length) for language, length, _ in found})
    return [
        {"language": language, "length": length, "runs": [found.get((language, length, run)) for run in held_out]}
        for language, length in places
    ]


def test_rows(results: Results, runs: Sequence[str]) -> dict[str, Any]:
    """Return losses on the test split with runs side by side, those runs, and how many models were measured on it."""
    found = {run: results.test(run) for run in runs if run in results.tested()}
    return {
        "runs": list(found),
        "rows": comparison_rows({run: rows for run, (rows, _) in found.items()}),
        "uses": max((uses for _, uses in found.values()), default=0),
    }


def pseudo_rows(measured: Mapping[str, Sequence[PseudoPerplexity]]) -> Table:
    """Return pseudo-perplexities with runs side by side, one entry per language and source; None where not measured."""
    found = {(row.language, row.source or "", run): row for run, rows in measured.items() for row in rows}
    places = sorted({(language, source) for language, source, _ in found})
    return [
        {"language": language, "source": source, "runs": [found.get((language, source, run)) for run in measured]}
        for language, source in places
    ]


def blank_rows(results: Results, runs: Sequence[str]) -> Table:
    """Return every prompt with what each run puts in its blank."""
    prompts: dict[tuple[str, str], list[tuple[str, list[dict[str, Any]]]]] = {}
    for run in runs:
        for row in results.fill_mask(run):
            prompts.setdefault((row.language, row.prompt), []).append((run, row.predictions))
    return [
        {"language": language, "prompt": prompt, "answers": answers}
        for (language, prompt), answers in sorted(prompts.items())
    ]


def main() -> None:
    """Write the report from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.report.html",
        description="Write one self-contained HTML page on everything that was trained and measured.",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="directory of results (default: results)")
    parser.add_argument("--title", required=True, help="heading of the report")
    parser.add_argument("--runs", nargs="+", metavar="RUN", help="runs in the order to show (default: all finished)")
    parser.add_argument("--output", type=Path, required=True, help="HTML file to write")
    parser.add_argument("--figures", type=Path, help="directory to write every figure to, as SVG (default: none)")
    arguments = parser.parse_args()
    results = Results(arguments.results)
    runs = arguments.runs or results.finished_runs()
    context = gathered(results, arguments.title, runs)
    text = environment().get_template("report.html.j2").render(context)
    with atomic_file(arguments.output, "w") as stream:
        stream.write(text)
    if arguments.figures:
        write_pictures(arguments.figures, context)
    print(f"{arguments.output}: {len(runs)} runs, {len(text.encode()) / 1e6:.2f} MB, opens without network")


if __name__ == "__main__":
    run_command(main)
