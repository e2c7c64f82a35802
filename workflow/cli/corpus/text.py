"""What cleaning would do, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from common.tables import aligned

WIDTH = 80
NO_BREAK = "\xa0"
Summary = Mapping[str, Any]


def told(summary: Summary) -> str:
    """Return what cleaning would do to the documents of a source."""
    return "\n".join(_lines(summary))


def overview(summaries: Sequence[Summary]) -> str:
    """Return one line for each source: how much would be left of it, and what takes most of the rest."""
    rows = [["source", "language", "mostly dropped for", "documents left", "text left"]]
    for summary in summaries:
        asked = [each for each in summary["filters"] if each["asked"] and each["documents"]]
        most = max(asked, key=lambda each: each["documents"])["reason"] if asked else ""
        left = [_percent(summary["left"][unit], summary[unit]) for unit in ("documents", "bytes")]
        rows.append([summary["source"], summary["language"], most, *left])
    return "\n".join([*aligned(rows, left=3), ""])


def _lines(summary: Summary) -> Iterator[str]:
    of = f" of {summary['read']:,} read" if summary["read"] > summary["documents"] else ""
    files = f"{summary['files']:,} file{'s' if summary['files'] > 1 else ''}"
    rest = "" if summary["read_all"] else ", which hold more"
    yield f"{summary['source']} ({summary['language']}): {summary['documents']:,} documents{of} from {files}{rest}"
    if summary["rejected"]:
        yield f"  {summary['rejected']:,} records are malformed; alasin run tells them"
    if not summary["documents"]:
        return
    left = summary["left"]
    yield (
        f"  of {_megabytes(summary['bytes'])} would be left: {left['documents']:,} documents "
        f"({_percent(left['documents'], summary['documents'])}), {_megabytes(left['bytes'])} "
        f"({_percent(left['bytes'], summary['bytes'])})"
    )
    for asked, heading in (
        (True, ""),
        (False, "  not in the recipe; the defaults of its language would do this as well"),
    ):
        lines = [*_changes(summary, asked), *_filters(summary, asked)]
        if lines:
            yield from ["", heading] if heading else [""]
            yield from lines


def _changes(summary: Summary, asked: bool) -> Iterator[str]:
    """Yield what would be changed in documents that stay."""
    rows = []
    for change in summary["changes"]:
        if change["asked"] is asked:
            count = f"{change['count']:,} {change['unit']}{'s' if change['count'] > 1 else ''}"
            cut = f"{_megabytes(change['cut_bytes'])} out" if change["cut_bytes"] else ""
            rows.append([f"  {change['step']}", change["what"], count, cut])
    yield from aligned(rows, left=2) if rows else []


def _filters(summary: Summary, asked: bool) -> Iterator[str]:
    """Yield a line for each filter that refuses documents, most first, with the one nearest to its threshold."""
    found = [each for each in summary["filters"] if each["asked"] is asked]
    some = sorted((each for each in found if each["documents"]), key=lambda each: -each["documents"])
    if some:
        rows = [["  step", "drops a document for", "documents", "share", "only it"]]
        for each in some:
            share = _percent(each["documents"], summary["documents"])
            rows.append([f"  {each['step']}", each["reason"], f"{each['documents']:,}", share, f"{each['only']:,}"])
        heading, *lines = aligned(rows, left=2)
        yield heading
        shown = set()
        for line, each in zip(lines, some, strict=True):
            yield line
            # One example is enough of n-grams of 5 to 10 words.
            if (family := each["reason"].partition(".")[0]) not in shown:
                yield from map(_example, each["refused"][:1])
            shown.add(family)
    if none := [each["reason"].replace(" ", NO_BREAK) for each in found if not each["documents"]]:
        lines = wrap(f"none for {', '.join(none)}", WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield from (line.replace(NO_BREAK, " ") for line in lines)


def _example(example: Mapping[str, str]) -> str:
    number = f"{example['number']}: " if example["number"] else ""
    text = " ".join("".join(each if each.isprintable() else " " for each in example["text"]).split())
    return _cut(f"      {number}{text}")


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"
