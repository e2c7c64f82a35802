"""A plan as tables that fit in 100 columns."""

from __future__ import annotations

import textwrap
from itertools import groupby

from humanfriendly import format_size  # type: ignore[import-untyped]

from common.quantities import amount as rough
from common.quantities import duration
from common.tables import aligned
from workflow.plan.estimate import SAVE_MINUTES, START_UP_MINUTES
from workflow.plan.headline import amount, headline
from workflow.plan.phases import Training
from workflow.plan.stages import StageJobs
from workflow.plan.whole import Plan

_WIDTH = 100
_IDLE = 0.05
"""Share of time spent waiting from which it is told."""
_UNKNOWN = "-"


def render(plan: Plan) -> str:
    """Return the plan for a person; columns of which nothing is known are left out."""
    first = f"{plan.title} on {plan.cluster}\n\n{headline(plan)}"
    return "\n\n".join([first, _phases(plan), _remarks(plan), _stages(plan)])


def _phases(plan: Plan) -> str:
    header = ["phase", "slots", "steps", "GFLOP", "slots/s", "hours", "jobs", plan.unit, "written", "kWh"]
    rows: list[list[str]] = []
    for run, phases in groupby(plan.phases, key=lambda phase: phase.run):
        rows.append([run])
        rows += [["  " + phase.phase, *_cells([phase])] for phase in phases]
    rows.append(["all", *_cells(plan.phases)])
    where = f" in {plan.partition}" if plan.partition else ""
    walltime = f", {duration(60 * plan.minutes)} a job" if plan.minutes else ""
    return f"Phases: {plan.nodes} x {plan.processes_per_node} x {plan.device}{where}{walltime}\n{_table(header, rows)}"


def _cells(phases: list[Training]) -> list[str]:
    """Return the sums over `phases`; operations and speed are those of a single one."""

    def total(field: str) -> float | None:
        known = [value for phase in phases if (value := getattr(phase, field)) is not None]
        return sum(known) if len(known) == len(phases) else None

    hours, alone = total("hours"), phases[0] if len(phases) == 1 else None
    return [
        rough(sum(phase.slots for phase in phases)),
        f"{sum(phase.steps for phase in phases):,}",
        # With hours known, operations are of no further use.
        f"{alone.gigaflops:.3f}" if alone and hours is None else _UNKNOWN,
        _figure(alone.slots_per_second) + (f" {alone.how[0]}" if alone.how else "") if alone else _UNKNOWN,
        _figure(hours),
        _figure(total("jobs")),
        _figure(total("billed")),
        _bytes(total("written_bytes")),
        _figure(total("kilowatt_hours")),
    ]


def _remarks(plan: Plan) -> str:
    """Return what a reader must know of the figures above, a paragraph each."""
    paragraphs = [_of_speed(plan), _of_hours(plan), _of_billing(plan), _of_checkpoints(plan), _of_idle(plan)]
    return "\n".join(textwrap.fill(text, _WIDTH, subsequent_indent="  ") for text in paragraphs if text)


def _of_speed(plan: Plan) -> str:
    sources = {phase.how: phase.source for phase in reversed(plan.phases) if phase.how}
    said = {
        "given": "g: given",
        "measured": f"m: measured, such as over {sources.get('measured')}",
        "assumed": f"a: assumed, {sources.get('assumed')}",
    }
    sentences = [said[how] for how in said if how in sources]
    if sentences:
        return f"slots/s: places of packed rows that one {plan.device} trains on in a second. {'; '.join(sentences)}."
    return (
        "GFLOP: 10^9 operations of one token. Hours follow from a speed: give --tokens-per-second, or use a cluster "
        "whose description has the peak of a device (docs/clusters.md)."
    )


def _of_hours(plan: Plan) -> str:
    if not plan.longest or not plan.minutes:
        return ""
    return (
        f"hours: nodes are held, {START_UP_MINUTES:g} minutes for each job's start included; the last {SAVE_MINUTES:g} "
        "of a walltime stay free for a checkpoint."
    )


def _of_billing(plan: Plan) -> str:
    if plan.partition:
        return f"{plan.unit}: as {plan.partition} bills. kWh: the nodes alone, an estimate."
    return (
        f"Billed hours, energy and limits need the partition in the description of {plan.cluster} (docs/clusters.md)."
    )


def _of_checkpoints(plan: Plan) -> str:
    most = max(phase.kept_bytes for phase in plan.phases)
    everything = sum(phase.kept_bytes for phase in plan.phases)
    return f"written: checkpoints, of which a phase keeps up to {_bytes(most)}, and all together {_bytes(everything)}."


def _of_idle(plan: Plan) -> str:
    idle = [phase for phase in plan.phases if phase.idle >= _IDLE]
    if not idle:
        return ""
    worst = max(idle, key=lambda phase: phase.idle)
    return (
        f"Ranks wait for one another where a batch's rows do not divide evenly among "
        f"{plan.nodes * plan.processes_per_node}: {worst.idle * 100:.0f} % of the time in {worst.run}'s {worst.phase}, "
        f"{_IDLE * 100:.0f} % or more in {len(idle)} of {len(plan.phases)} phases. Another --nodes may suit it better."
    )


def _stages(plan: Plan) -> str:
    header = ["rule", "jobs", "partition", "cores", "GPUs", "memory", "limit", "hours", "billed"]
    shown = [stage for stage in plan.stages if stage.jobs]
    heading = "Other stages, if nothing is there yet; cores, memory and limit of each job"
    parts = [f"{heading}\n{_table(header, [_stage(stage) for stage in shown])}"]
    if any(stage.time for stage in shown):
        queued = ", time in the queue included" if plan.unit else ""
        parts.append(
            f"hours: of all jobs together{queued}, as jobs of the rule took here under this profile, how many stands "
            "beside; t: by the size of the text that each reads."
        )
    if unknown := plan.totals.unknown:
        of = "these rules" if len(unknown) == len(shown) else ", ".join(unknown)
        parts.append(
            f"Not known are the hours of {of}: no job of theirs of a like size has run here under this profile."
        )
    return "\n".join([parts[0], *(textwrap.fill(text, _WIDTH, subsequent_indent="  ") for text in parts[1:])])


def _stage(stage: StageJobs) -> list[str]:
    asked, time = stage.asked, stage.time
    return [
        stage.rule,
        f"{stage.jobs:,}",
        asked.partition if stage.unit else _UNKNOWN,
        str(asked.cores),
        str(asked.devices) if asked.devices else _UNKNOWN,
        _bytes(asked.memory_mb * 10**6) if asked.memory_mb else _UNKNOWN,
        duration(60 * asked.minutes) if asked.minutes else _UNKNOWN,
        f"{duration(3600 * time.hours)} of {time.measured}{' t' if time.by_text else ''}" if time else _UNKNOWN,
        f"{amount(stage.billed)} {stage.unit}" if stage.billed is not None else _UNKNOWN,
    ]


def _table(header: list[str], rows: list[list[str]]) -> str:
    """Align columns, the first to the left, the others to the right; drop those that hold nothing."""
    full = [row + [""] * (len(header) - len(row)) for row in rows]
    columns = [[name, *cells] for name, *cells in zip(header, *full, strict=True)]
    shown = [column for column in columns if any(cell not in ("", _UNKNOWN) for cell in column[1:])]
    return "\n".join(aligned(list(zip(*shown, strict=True)), left=1))


def _figure(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    if value >= 10 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _bytes(count: float | None) -> str:
    return _UNKNOWN if count is None else str(format_size(count))
