"""What cleaning would do, as one HTML file without scripts or anything to fetch, with examples of each filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def page(title: str, summaries: Sequence[Mapping[str, Any]]) -> str:
    """Return the page. Text of documents is escaped, and stands in nothing that is executed."""
    made = Environment(
        loader=PackageLoader("workflow.cli.corpus"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["share"] = lambda part, whole: f"{100 * part / max(whole, 1):.1f} %"
    return made.get_template("cleaning.html.j2").render(title=title, sources=summaries)
