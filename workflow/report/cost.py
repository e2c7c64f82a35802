"""What everything took, in the report: hours, energy and bills of each phase beside what was foretold, other rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.quantities import duration
from recipe.reading import read_recipe
from workflow.cost.energy import Energy
from workflow.cost.training import FIRST_STEPS
from workflow.cost.whole import PhaseCost, make_cost

RULES = 12
"""The heaviest rules, which are shown."""


def told(results: Path) -> dict[str, Any]:
    """Return what the report's section on cost shows; `phases` is empty where nothing was trained.

    Raises:
        UserError: the recipe's slice or the records of a phase's jobs cannot be read.
    """
    cost = make_cost(read_recipe(results / "recipe" / "recipe.json"), results.parent)
    shown = [one for one in cost.phases if one.jobs]
    units = sorted({one.unit for one in shown if one.unit})
    return {
        "phases": [_phase(one) for one in shown],
        "all": {
            "trained": _hours(sum(one.training_hours for one in shown)),
            "held": _hours(sum(one.held_hours for one in shown)),
            "processes": _number([one.process_hours for one in shown]),
            "billed": _number([one.billed for one in shown]),
            "energy": _number([_kwh(one) for one in shown]),
        },
        "unit": " and ".join(units),
        "planned": any(one.planned_hours for one in shown),
        "first_steps": FIRST_STEPS,
        "energy": _energy([one.energy for one in shown]),
        "rules": [
            {"rule": one.rule, "jobs": one.jobs, "together": _hours(one.hours), "longest": _hours(one.longest_hours)}
            for one in cost.rules[:RULES]
        ],
        "other_rules": len(cost.rules[RULES:]),
        "other_hours": _hours(sum(one.hours for one in cost.rules[RULES:])),
    }


def _phase(one: PhaseCost) -> dict[str, Any]:
    return {
        "name": f"{one.run}/{one.phase}",
        "steps": one.steps,
        "of": one.all_steps if one.steps < one.all_steps else None,
        "planned": _hours(one.planned_hours),
        "planned_off": one.planned_deviation,
        "foretold": _hours(one.foretold_hours),
        "off": one.deviation,
        "trained": _hours(one.training_hours),
        "held": _hours(one.held_hours),
        "processes": _number([one.process_hours]),
        "billed": _number([one.billed]),
        "energy": _number([_kwh(one)]),
    }


def _energy(found: Sequence[Energy | None]) -> list[str]:
    """Return a sentence for each way in which energy is known, and one for where it is not."""
    said = {
        "slurm": "measured by {}: what that counts is a matter of the site, mostly whole nodes",
        "codecarbon": "that of the whole machine by {}; what no sensor tells is a constant of codecarbon's",
        "power": "an estimate, not a measurement: {}, times the hours for which nodes were held",
    }
    known = dict.fromkeys((one.how, one.source) for one in found if one)
    sentences = [f"Energy is {said[how].format(source)}." for how, source in known]
    if found and None in found:
        sentences.append(
            "Energy is not known of jobs that neither Slurm nor codecarbon saw, on a cluster without described power."
        )
    return sentences


def _kwh(one: PhaseCost) -> float | None:
    return one.energy.kilowatt_hours if one.energy else None


def _hours(hours: float | None) -> str | None:
    return None if hours is None else duration(3600 * hours)


def _number(values: Sequence[float | None]) -> str | None:
    """Return the sum of what is known, None if nothing is."""
    known = [value for value in values if value is not None]
    total = sum(known)
    return f"{total:,.0f}" if total >= 100 else f"{total:,.2g}" if known else None
