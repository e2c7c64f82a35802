"""Where one phase stands, from its files and from what the scheduler says of its job."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from common.errors import UserError
from common.locks import is_held

# Slots of a phase are counted with the trainer's own formula, which needs no torch.
from recipe.schedule import phase_slots
from recipe.slices.types import PhaseSlice
from slurm.node import local_job
from slurm.queue.jobs import Seen
from slurm.records.checkpoints import Saved, read_newest
from slurm.records.history import Run, read_history
from slurm.records.job import Job, read_job
from slurm.records.outcome import BY_STATE
from slurm.records.policy import decide
from slurm.records.progress import Pace, read_pace

State = Literal["not begun", "pending", "running", "continuing", "stopped", "done", "unknown"]

_SILENT_SECONDS = 600.0
"""A running job that has made no step for so long may hang."""
_REASONS = {
    "Priority": "other jobs go first",
    "Resources": "its nodes are not free yet",
    "BeginTime": "Slurm waits a while before it starts a job again",
    "JobHeldUser": "held; the same snakemake command releases it",
}
"""What Slurm's commonest reasons mean; the others are shown as they are."""


@dataclass(frozen=True)
class PhaseFiles:
    """What is on disk about a phase."""

    run: str
    phase: str
    folder: Path
    slice: PhaseSlice | None
    """None where the recipe has no such phase any more."""
    waits_for: str | None
    """`run/phase` of the phase it begins from, while that is not done."""
    done: bool
    launched: bool
    """Whether a launch works on it."""
    job: Job | None
    history: list[Run]
    pace: Pace | None
    saved: Saved | None
    problem: str
    """Why its records could not be read, in a sentence."""

    @property
    def slurm_job(self) -> str | None:
        """The id of the job that Slurm is to be asked about, if any."""
        return self.job.job_id if self.job and not self.job.pid and not self.done else None


@dataclass(frozen=True)
class PhaseStatus:
    """Where a phase stands. Slots are places in packed rows; None is what is not known, or has no meaning yet."""

    run: str
    phase: str
    state: State
    notes: list[str]
    """Sentences for people: why it waits or stopped, and what to do."""
    waits_for: str | None
    cluster: str | None
    job_id: str | None
    """Of the job submitted last."""
    partition: str | None
    nodes: str | None
    """Those the job has, in Slurm's notation."""
    job_seconds_left: float | None
    """Until the job's time limit."""
    slots_done: int
    """While it runs, up to the last step; otherwise up to the newest checkpoint, from which it would go on."""
    slots_total: int | None
    step: int | None
    """The last one, over the lineage."""
    loss: float | None
    """Of the last step, nats per masked token."""
    tokens_per_second: float | None
    """Real tokens, all devices together; the median of the last steps."""
    seconds_left: float | None
    """Of training at that speed; queues and checkpoints come on top."""
    restarts: int
    checkpoint_step: int | None
    checkpoint_age_seconds: float | None
    history: list[Run]
    """Runs of its jobs that have ended, oldest first."""


def read_phase(results: Path, run: str, phase: str, content: PhaseSlice | None, waits_for: str | None) -> PhaseFiles:
    """Read what is in a phase's folder, which need not exist. A record that cannot be read becomes its `problem`."""
    folder = results / "runs" / run / phase
    job, history, problem = None, [], ""
    try:
        job, history = read_job(folder), read_history(folder)
    except UserError as error:
        problem = str(error)
    return PhaseFiles(
        *(run, phase, folder, content, waits_for),
        done=(folder / "checkpoint.json").exists(),
        launched=is_held(folder / "launch.lock"),
        job=job,
        history=history,
        pace=read_pace(folder),
        saved=read_newest(folder),
        problem=problem,
    )


def judge(files: PhaseFiles, slurm: Mapping[str, Seen] | None, now: float) -> PhaseStatus:
    """Say where a phase stands at `now`, seconds since the epoch; `slurm` is None if Slurm did not answer."""
    job, pace, saved = files.job, files.pace, files.saved
    queued = slurm.get(job.job_id) if slurm is not None and job and files.slurm_job else None
    state, why = _state(files, queued, slurm is not None)
    total = phase_slots(files.slice) if files.slice else None
    done = _slots_done(files, state, total)
    left = (total - done) / pace.slots_per_second if total and pace and state != "done" else None
    status = PhaseStatus(
        run=files.run,
        phase=files.phase,
        state=state,
        notes=[why] if why else [],
        waits_for=files.waits_for,
        cluster=job.cluster if job else None,
        job_id=job.job_id if job else None,
        partition=(queued.partition if queued else job.partition if job else "") or None,
        nodes=queued.nodes or None if queued else None,
        job_seconds_left=queued.seconds_left if queued and state == "running" else None,
        slots_done=done,
        slots_total=total,
        step=pace.step if pace else None,
        loss=pace.loss if pace else None,
        tokens_per_second=pace.tokens_per_second if pace else None,
        seconds_left=left,
        restarts=len(_interruptions(files.history, state)),
        checkpoint_step=saved.step if saved else None,
        checkpoint_age_seconds=max(0.0, now - saved.written) if saved else None,
        history=files.history,
    )
    status.notes.extend(_remarks(files, status, queued, now))
    return status


def _state(files: PhaseFiles, queued: Seen | None, answered: bool) -> tuple[State, str]:
    """Return the state of a phase and, in a sentence, why it is in it where that needs saying."""
    job = files.job
    if files.done:
        return "done", ""
    if files.problem:
        return "unknown", files.problem
    if job is None:
        submitting = "its job is being submitted." if files.launched else "waits for its data, or for snakemake."
        return "not begun", f"waits for {files.waits_for}." if files.waits_for else submitting
    if job.pid:
        try:
            if local_job.alive(job, files.folder):
                return "running", ""
        except UserError as elsewhere:
            return "running", str(elsewhere)
    elif not answered:
        ended = files.history and files.history[-1].job_id == job.job_id
        if not ended or decide(files.history).go_on:
            return "unknown", f"job {job.job_id} was submitted {job.submitted}; what became of it, Slurm knows."
    elif queued and queued.live:
        if not queued.waiting:
            return "running", "" if queued.state == "RUNNING" else f"Slurm says {queued.state}."
        meaning = _REASONS.get(queued.reason)
        why = f"{queued.reason}: {meaning}" if meaning else queued.reason
        return "pending", f"{why}." if why else ""  # Slurm may not have looked at the job yet
    return _ended(files, job, queued)


def _ended(files: PhaseFiles, job: Job, queued: Seen | None) -> tuple[State, str]:
    """Judge a phase whose last job has ended without its result being there."""
    last = files.history[-1] if files.history else None
    # The last run that is recorded may be an earlier one, where the job ended while it waited to run again.
    told = BY_STATE.get(queued.state) if queued else None
    if last is None or last.job_id != job.job_id or told not in (None, last.outcome):
        slurm = f" ({queued.state} to Slurm)" if queued else ""
        why, go_on = f"job {job.job_id} has ended{slurm}, and nothing is recorded of how.", True
    else:
        # The end of a log that a reason may carry is left out; the path of the log is in its first line.
        short = [run.reason.partition("\n")[0].removesuffix(" ends with:") for run in files.history]
        verdict = decide([replace(run, reason=reason) for run, reason in zip(files.history, short, strict=True)])
        why, go_on = verdict.text.rstrip(".") + ".", verdict.go_on
    if files.launched:
        return "continuing", why
    return "stopped", f"{why} The same snakemake command continues it." if go_on else why


def _slots_done(files: PhaseFiles, state: State, total: int | None) -> int:
    if state == "done" and total is not None:
        return total
    reached = files.pace if files.pace and state in ("done", "running", "unknown") else files.saved
    done = reached.phase_slots if reached else 0
    return done if total is None else min(done, total)


def _interruptions(history: list[Run], state: State) -> list[Run]:
    """Return the runs that ended before the phase did and were followed, or will be, by another."""
    broken = [run for run in history if run.outcome != "finished"]
    return broken[:-1] if state == "stopped" and history and broken[-1:] == history[-1:] else broken


def _remarks(files: PhaseFiles, status: PhaseStatus, queued: Seen | None, now: float) -> list[str]:
    """Return what else a person should know, a sentence each."""
    remarks = []
    if status.state == "pending" and queued and queued.starts:
        remarks.append(f"Slurm expects it to start {datetime.fromtimestamp(queued.starts):%Y-%m-%d %H:%M}.")
    if status.state == "running":
        if (silence := _silence(files, queued, now)) > _SILENT_SECONDS:
            remarks.append(f"No step for {silence / 60:.0f} min: it may hang; its logs are in {files.folder / 'jobs'}.")
        if not files.launched:
            remarks.append("No snakemake follows it: it goes on by itself, but the phases after it wait for one.")
    if status.restarts:
        causes = Counter(run.outcome for run in _interruptions(files.history, status.state))
        told = ", ".join(f"{cause} {count}" if count > 1 else cause for cause, count in causes.items())
        remarks.append(f"{status.restarts} restart{'s' if status.restarts > 1 else ''}: {told}.")
    if files.slice is None:
        remarks.append("The recipe has no such phase any more.")
    elif files.saved and files.saved.slice != json.loads(files.slice.model_dump_json()):
        remarks.append("The recipe has changed since its checkpoint was written: snakemake trains it anew.")
    return remarks


def _silence(files: PhaseFiles, queued: Seen | None, now: float) -> float:
    """Return for how many seconds a running job has shown no sign of life; 0 if that is not known."""
    job = files.job
    started = queued.starts if queued else datetime.fromisoformat(job.submitted).timestamp() if job else None
    if started is None or (queued and queued.state != "RUNNING"):
        return 0.0
    return now - max(started, files.pace.written if files.pace else started)
