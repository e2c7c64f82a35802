"""Where and when each phase was trained and of which code, and the shapes of the models: what a reader would repeat.

Times and machines are those on record of a phase's jobs, code and packages those of the call of Snakemake that started
the first of them. Names of hosts and people are not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from recipe.slices.making import model_name
from slurm.records.history import read_history
from slurm.records.job import read_job
from workflow.provenance.invocations import environment_digest, invocation_at, read_invocations
from workflow.report.card_limits import beginning
from workflow.report.results import PhaseResult, Results

MAIN = ("torch", "deepspeed", "transformers", "tokenizers", "tokie", "numpy", "pyarrow", "snakemake")
"""Packages that are named before all others."""
Told = dict[str, Any]


def trained(results: Results, phases: Sequence[PhaseResult]) -> list[Told]:
    """Return when, where and of which commit each phase was trained; None or empty for what is not on record.

    A row has `phase`, `began`, `ended` (UTC, to the minute), `jobs`, `where` and `call`, that of Snakemake.

    Raises:
        UserError: the records of a phase's jobs cannot be read.
    """
    calls = read_invocations(results.folder.parent)
    rows = []
    for phase in phases:
        folder = results.folder / "runs" / phase.run / phase.phase
        runs, job = read_history(folder), read_job(folder)
        nodes = f"{job.nodes} node{'s' if job.nodes > 1 else ''}" if job else ""
        rows.append(
            {
                "phase": phase,
                "began": _minute(min(run.started for run in runs)) if runs else "",
                "ended": _minute(max(run.ended for run in runs)) if runs else "",
                "jobs": len(runs),
                "where": ", ".join(part for part in (job.cluster, job.partition, nodes) if part) if job else "",
                "call": invocation_at(calls, min(run.started for run in runs)) if runs else {},
            }
        )
    return rows


def calls(results: Results) -> list[Told]:
    """Return the calls of Snakemake, those of one code, packages and machine in one row, the first one first."""
    found: dict[tuple[Any, ...], Told] = {}
    for call in read_invocations(results.folder.parent):
        machine = call.get("machine") or {}
        digest = environment_digest(call)
        key = (call.get("commit"), call.get("dirty"), digest, *machine.values())
        row = found.setdefault(
            key,
            {
                "first": _minute(call["started"]),
                "calls": 0,
                "commit": call.get("commit"),
                "dirty": call.get("dirty"),
                "python": call.get("python"),
                "packages": call.get("packages") or {},
                "digest": digest,
                "machine": _machine(machine),
            },
        )
        row |= {"calls": row["calls"] + 1, "last": _minute(call["started"])}
    return list(found.values())


def _machine(facts: Mapping[str, Any]) -> str:
    parts = [str(facts[key]) for key in ("system", "kind") if facts.get(key)]
    return ", ".join([*parts, f"{facts['cores']} cores"] if facts.get("cores") else parts)


def main_packages(packages: Mapping[str, str]) -> list[str]:
    """Return the packages that a reader asks for first, each with its version."""
    return [f"{name} {packages[name]}" for name in MAIN if name in packages]


def shapes(results: Results, runs: Sequence[str]) -> list[Told]:
    """Return the shapes of the exported models; runs of one shape that begin alike share a row."""
    recipe = results.recipe()
    found: dict[tuple[Any, ...], Told] = {}
    for run in runs:
        model, shape = results.model(run), results.lineage(run).model
        tokenizer, start = results.lineage(run).tokenizer, recipe.models[model_name(recipe, run)].start
        row = {
            "parameters": model.parameters,
            "bytes": model.bytes,
            "longest": model.config["max_position_embeddings"],
            "vocabulary": results.tokenizer(tokenizer)["padded_vocabulary"],
            "tokenizer": tokenizer,
            "shape": shape,
            "beginning": beginning(start).replace("`", "").rstrip(","),
        }
        key = (shape.model_dump_json(), *(value for name, value in row.items() if name not in ("shape", "bytes")))
        found.setdefault(key, row | {"runs": []})["runs"].append(run)
    return list(found.values())


def steps(lineages: Mapping[str, Sequence[PhaseResult]]) -> dict[str, list[Told]]:
    """Return run -> what led to it, with the learning rate and the slots of a batch at the first and the last step.

    A stretch that no shown phase trained, as one that was taken over from a former name, has None for both.
    """
    phases = {(phase.run, phase.phase): phase for own in lineages.values() for phase in own}
    return {
        run: [one | _ends(phases.get((one["run"], one["phase"])), one) for one in own[-1].stretches]
        for run, own in lineages.items()
        if own
    }


def _ends(phase: PhaseResult | None, stretch: Mapping[str, Any]) -> Told:
    if phase is None:
        return {"rates": None}
    step, rate = phase.metrics["step"], phase.metrics["learning_rate"]
    own = rate[(step >= stretch["first_step"]) & (step <= stretch["last_step"])]
    return {"rates": (float(own[0]), float(own[-1])) if len(own) else None}


def _minute(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
