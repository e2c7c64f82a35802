"""The first lines of a plan: what a person must have, and when all would be done."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime

from humanfriendly import format_size  # type: ignore[import-untyped]

from common.quantities import duration
from workflow.plan.totals import Bill
from workflow.plan.whole import Plan

_WIDTH = 100


def headline(plan: Plan) -> str:
    """Return hours, money, time, energy and disk of a whole plan, a paragraph each; what is not known is said."""
    lines = list(_lines(plan))
    width = max(len(name) for name, _ in lines)
    told = [
        textwrap.fill(text, _WIDTH, initial_indent=f"{name:{width}}  ", subsequent_indent=" " * (width + 2))
        for name, text in lines
    ]
    return "\n".join(["What all of it takes, if nothing is there yet", *told])


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    totals = plan.totals
    for bill in totals.bills:
        yield bill.unit, _billed(plan, bill)
    if any(bill.price for bill in totals.bills):
        yield "money", "; ".join(_money(plan, bill) for bill in totals.bills if bill.price) + _unpriced(totals.bills)
    elif totals.bills:
        yield "money", 'no price is known; give one, as in --price "GPU-hours=0.50 EUR"'
    yield from _time(plan)
    if totals.kilowatt_hours is not None:
        yield "energy", f"{totals.kilowatt_hours:,.0f} kWh in training, by the power of the nodes"
    yield "disk", _disk(plan)


def _billed(plan: Plan, bill: Bill) -> str:
    totals, parts = plan.totals, []
    if bill.training:
        devices = f" ({totals.device_hours:,.0f} hours of one {plan.device})" if totals.device_hours else ""
        parts.append(f"{amount(bill.training)} for training{devices}")
    elif bill.training is None:
        parts.append("not known for training")
    mine = [one for one in plan.stages if one.unit == bill.unit and one.jobs]
    if bill.stages:
        parts.append(f"{amount(bill.stages)} for other stages, as measured")
    return _with_unknown(", ".join(parts), sum(one.time is None for one in mine))


def _money(plan: Plan, bill: Bill) -> str:
    assert bill.price is not None
    price = bill.price
    each = f"at {price.amount:g} {price.currency} each, {price.source}"
    if not bill.all:
        return f"not known for {bill.unit}, {each}"
    known = "" if all(one.time or one.unit != bill.unit or not one.jobs for one in plan.stages) else " that are known"
    return f"{amount(bill.all * price.amount)} {price.currency} for the {amount(bill.all)} {bill.unit}{known}, {each}"


def _unpriced(bills: list[Bill]) -> str:
    without = [bill.unit for bill in bills if not bill.price]
    return f"; no price of {' and '.join(without)} is known" if without else ""


def _time(plan: Plan) -> Iterator[tuple[str, str]]:
    totals = plan.totals
    if totals.training_hours is None:
        yield "time", "not known yet: give --tokens-per-second, or let training begin, whose first steps tell a speed"
        return
    of = f"the longest run, {plan.longest[0]}" if plan.longest and plan.submits else "all runs"
    parts = [f"{_hours(totals.training_hours)} for the phases of {of}, one after the other"]
    if totals.stage_hours:
        parts.append(f"{_hours(totals.stage_hours)} for other stages, as measured")
    yield "time", _with_unknown(", ".join(parts), len(totals.unknown))
    if totals.ends:
        besides = ["what is not known yet"] if totals.unknown else []
        if plan.submits:
            besides.insert(0, "the time in the queue, which nobody knows beforehand")
        on_top = f"; on top come {', and '.join(besides)}" if besides else ""
        yield "end", f"begun now, {datetime.fromisoformat(totals.ends):%a %Y-%m-%d %H:%M %Z}{on_top}"


def _with_unknown(told: str, rules: int) -> str:
    unknown = f"not known yet: {rules} other rule{'s' * (rules > 1)}, of which nothing was measured here"
    return "; ".join(filter(None, (told, unknown if rules else ""))) or "0"


def _disk(plan: Plan) -> str:
    totals = plan.totals
    text = totals.text_bytes
    kept, most = (size + (text or 0) for size in (totals.kept_bytes, totals.most_bytes))
    of = "checkpoints and models"
    if text is None:
        of += "; documents, shards and rows come on top, by how much is known when a source is done here"
    else:
        of += f", and {format_size(text)} of documents, shards and rows"
    return f"{format_size(kept)} at the end, {format_size(most)} at the most: {of}"


def _hours(hours: float) -> str:
    rough = duration(3600 * hours)
    return f"{hours:,.0f} h ({rough})" if hours >= 24 else rough


def amount(number: float) -> str:
    """Return a number of hours or of money, without decimals where they say nothing."""
    return f"{number:,.0f}" if number >= 100 else f"{number:,.2g}" if number < 1 else f"{number:,.1f}"
