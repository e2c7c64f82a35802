"""What was made and where: the last lines of `make demo`. It reads files only and takes less than a second."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.errors import run_command
from workflow.report.results import HeldOut, Results

SIGNS = {"yes": "", "unclear": " ?", "no": " !"}


def summary(results: Results) -> str:
    """Return the closing summary of all finished runs.

    Raises:
        UserError: if no model is there, or a file of its results is not.
    """
    runs = results.finished_runs()
    parts = [_models(results, runs), _held_out({run: results.held_out(run) for run in runs}), _blanks(results, runs[0])]
    report = results.folder / "report.html"
    parts.append(f"Report, to open in a browser: {report}" if report.is_file() else f"{report} is not made yet.")
    return "\n\n".join(part for part in parts if part)


def _models(results: Results, runs: list[str]) -> str:
    lines = ["Models, each with a card in its README.md:"]
    width = max(map(len, runs))
    for run in runs:
        model = results.model(run)
        lines.append(
            f"  {run:{width}}  {model.parameters / 1e6:.3g}M parameters, {model.bytes / 1e6:.1f} MB, "
            f"rows up to {model.config['max_position_embeddings']:,} tokens  {results.folder / 'models' / run}"
        )
    return "\n".join(lines)


def _held_out(rows: dict[str, list[HeldOut]]) -> str:
    """Return a table: language and length down, the baseline and the runs across; runs may differ in languages."""
    places = sorted({(row.language, row.length) for run in rows.values() for row in run})
    if not places:
        return "No held-out loss was measured: nothing is held out. Raise held_out of some sources in the recipe."
    found = {(run, row.language, row.length): row for run, measured in rows.items() for row in measured}
    table = [["language", "tokens", "unigram", *rows]]
    for place in places:
        measured = [found.get((run, *place)) for run in rows]
        # A run of another tokenizer has another baseline; each sign below is by the run's own.
        baselines = dict.fromkeys(f"{row.unigram_loss:.2f}" for row in measured if row)
        losses = [f"{row.loss:.2f}{SIGNS[row.verdict]}" if row else "" for row in measured]
        table.append([place[0], f"{place[1]:,}", "/".join(baselines), *losses])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in table]
    verdicts = {row.verdict for row in found.values()}
    if verdicts == {"yes"}:
        closing = "Every loss is clearly below its baseline, the guess by frequency alone."
    else:
        closing = "! is not below its baseline, the guess by frequency alone; ? is within two standard errors of it."
    return "\n".join(["Held-out loss, nats per masked token:", *lines, f"  {closing}"])


def _blanks(results: Results, run: str) -> str:
    rows = results.fill_mask(run)
    if not rows:
        return ""
    lines = [f"{run} fills in the blank, its likeliest word in brackets:"]
    for row in rows:
        before, token, after = row.parts()
        lines.append(f"  {row.language:>3}  {before}[{token}]{after}  ({row.predictions[0]['probability']:.0%})")
    return "\n".join(lines)


def main() -> None:
    """Print the summary."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.report.summary", description="Tell what a finished workflow has made, and where."
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="directory of results (default: results)")
    print(summary(Results(parser.parse_args().results)))


if __name__ == "__main__":
    run_command(main)
