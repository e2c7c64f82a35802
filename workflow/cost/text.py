"""What a recipe has taken, as tables that fit in 100 columns."""

from __future__ import annotations

import textwrap

from common.quantities import duration
from common.tables import aligned
from workflow.cost.training import FIRST_STEPS
from workflow.cost.whole import Cost, PhaseCost

_UNKNOWN = "-"
_MARKS = {"slurm": "", "codecarbon": " c", "power": " e"}
_WIDTH = 100


def render(cost: Cost) -> str:
    """Return the cost for a person; columns of which nothing is known are left out."""
    parts = [cost.title]
    if cost.phases:
        parts += [_phases(cost), _remarks(cost)]
    else:
        parts.append("No phase has begun yet.")
    if cost.rules:
        rows = [["rule", "jobs", "together", "longest"]]
        rows += [[one.rule, f"{one.jobs:,}", _hours(one.hours), _hours(one.longest_hours)] for one in cost.rules]
        parts.append("Other rules, from start to end; on a cluster time in the queue is in it\n" + _table(rows))
    return "\n\n".join(parts)


def _phases(cost: Cost) -> str:
    rows = [["phase", "steps", "jobs", "planned", "foretold", "trained", "off", "held", _unit(cost), "kWh"]]
    for one in cost.phases:
        energy = one.energy
        kwh = f"{_figure(energy.kilowatt_hours)}{_MARKS[energy.how]}" if energy else _UNKNOWN
        rows.append(
            [
                f"{one.run}/{one.phase}",
                f"{one.steps:,}" if one.steps == one.all_steps else f"{one.steps:,} of {one.all_steps:,}",
                str(one.jobs),
                _hours(one.planned_hours),
                _hours(one.foretold_hours),
                _hours(one.training_hours),
                _off(one),
                _hours(one.held_hours),
                _UNKNOWN if one.billed is None else _figure(one.billed),
                kwh,
            ]
        )
    trained, held = (sum(getattr(one, field) for one in cost.phases) for field in ("training_hours", "held_hours"))
    billed = [one.billed for one in cost.phases if one.billed is not None]
    taken = [one.energy.kilowatt_hours for one in cost.phases if one.energy]
    sums = [_figure(sum(values)) if values else _UNKNOWN for values in (billed, taken)]
    rows.append(["all", "", "", "", "", _hours(trained), "", _hours(held), *sums])
    return "Phases\n" + _table(rows)


def _figure(value: float) -> str:
    return f"{value:,.1f}" if value >= 0.1 or not value else f"{value:.2g}"


def _off(one: PhaseCost) -> str:
    return _UNKNOWN if one.deviation is None else f"{one.deviation:+.0%}"


def _unit(cost: Cost) -> str:
    units = {one.unit for one in cost.phases if one.unit}
    return units.pop() if len(units) == 1 else "billed"


def _remarks(cost: Cost) -> str:
    told = [
        "planned: of training, by the plan that was made before anything was measured. foretold: by the speed of the "
        f"first {FIRST_STEPS} steps, as a plan says from then on (by all, where they are fewer). off: by how much "
        "what was trained exceeds that.",
        "held: from the start of each job to its end, starting up and saving among it; this is billed.",
    ]
    counted = {one.energy.source for one in cost.phases if one.energy and one.energy.how == "codecarbon"}
    told += [f"c: the whole machine's, by {one}; what no sensor tells is a constant." for one in sorted(counted)]
    estimated = {one.energy.source for one in cost.phases if one.energy and one.energy.how == "power"}
    told += [f"e: an estimate, {source}; Slurm's accounting has measured none." for source in sorted(estimated)]
    return "\n".join(textwrap.fill(text, _WIDTH, subsequent_indent="  ") for text in told)


def _table(rows: list[list[str]]) -> str:
    columns = [column for column in zip(*rows, strict=True) if any(cell not in ("", _UNKNOWN) for cell in column[1:])]
    return "\n".join(aligned(list(zip(*columns, strict=True)), left=1))


def _hours(value: float | None) -> str:
    return _UNKNOWN if value is None else duration(3600 * value)
