"""`alasin report`: what was made, and where."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from common.errors import UserError
from workflow.cli.parser import Parser
from workflow.report.results import Results
from workflow.report.summary import summary


def main() -> None:
    """Print the summary; open the report if asked to."""
    parser = Parser(
        prog="alasin report", description="Tell what a finished workflow has made, and where its report is."
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    parser.add_argument("--open", action="store_true", help="open the report in a browser")
    options = parser.parse_args()
    results = options.directory / "results"
    print(summary(Results(results)))
    if options.open:
        show(results / "report.html")


def show(report: Path) -> None:
    """Open a page in the browser; `UserError` if it is not there, or no browser is."""
    if not report.is_file():
        raise UserError(f"{report} is not made yet; alasin run makes it.")
    if not webbrowser.open(report.resolve().as_uri()):
        raise UserError(f"no browser opens here; copy {report.resolve()} to a machine that has one.")
