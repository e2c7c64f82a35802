"""The status of phases: the real command over files from the real writers, with a stand-in for squeue."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from common.locks import try_lock
from common.processes import start_ticks
from common.quantities import amount
from model.history.store import write_pointer
from slurm.records.progress import read_pace
from tests.slurm.site import QUEUED, RECIPE, STABLE, TOTAL, Site, ended, log_steps, pending, running, save, submit
from tests.slurm.standin import ROOT, wait_for
from workflow.dag import Dag


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Snakemake has read the demo's recipe; nothing else has happened."""
    made = Site(tmp_path / "a working 'directory'", tmp_path / "programs")
    made.programs.mkdir()
    Dag(RECIPE).write_slices(made.directory / "results" / "recipe")
    return made


def test_phases_that_have_not_begun_are_shown_with_what_they_wait_for(site: Site) -> None:
    phases = site.phases()
    assert phases["small/stable"]["state"] == "not begun"
    assert phases["small/stable"]["waits_for"] is None
    assert phases["small/extension"]["waits_for"] == "small/stable"
    assert phases["small-fi/annealing-fi"]["waits_for"] == "small/extension"
    assert phases["small-theta/extension-theta"]["waits_for"] == "small/stable"
    assert phases["small/stable"]["slots_total"] == TOTAL
    assert "waits for small/stable" in site.table()


def test_slurm_is_not_asked_where_it_has_no_job(site: Site) -> None:
    site.squeue()
    save_finished(site)
    site.table()
    assert site.asked() == []


def save_finished(site: Site) -> None:
    folder = site.folder()
    submit(folder)
    log_steps(folder, range(1, 5))
    last = save(folder, 4, age=3 * 86400 + 3600)
    ended(folder, "time limit")
    ended(folder, "finished", restart=1, steps=(8, 9))
    write_pointer(folder / "checkpoint.json", last, {"run": "small", "phase": "stable", "step": 4, "slots": TOTAL})


def test_a_done_phase_has_all_its_slots_and_nothing_left(site: Site) -> None:
    save_finished(site)
    phases = site.phases()
    stable = phases["small/stable"]
    assert (stable["state"], stable["slots_done"], stable["seconds_left"]) == ("done", TOTAL, None)
    assert stable["loss"] == pytest.approx(8.6)
    assert stable["restarts"] == 1
    assert phases["small/extension"]["waits_for"] is None
    table = site.table()
    assert "100.0" in table
    assert "3 d 1 h" in table


def test_a_running_phase_shows_job_progress_speed_and_the_age_of_its_checkpoint(site: Site) -> None:
    folder = site.folder()
    submit(folder)
    log_steps(folder, range(1, 31))
    save(folder, 8, age=5000)
    save(folder, 24, age=700)
    site.squeue(running())
    stable = site.stable()
    assert (stable["state"], stable["job_id"], stable["partition"]) == ("running", "4711", "standard-g")
    assert stable["nodes"] == "nid[005001-005002]"
    assert stable["job_seconds_left"] == 86400 + 2 * 3600 + 3 * 60 + 4
    assert (stable["step"], stable["slots_done"]) == (30, 24_000)
    assert stable["loss"] == pytest.approx(6.0)
    assert stable["tokens_per_second"] == 350
    assert stable["seconds_left"] == (TOTAL - 24_000) / 400
    assert stable["checkpoint_step"] == 24
    assert 700 <= stable["checkpoint_age_seconds"] < 1300
    line = next(line for line in site.table().splitlines() if line.startswith("  stable "))
    assert line.split()[:5] == ["stable", "running", "4711", "standard-g", f"24k/{amount(TOTAL)}"]
    assert "6.000" in line


def test_a_question_to_slurm_covers_all_jobs_and_no_setting_of_the_user_changes_it(site: Site) -> None:
    submit(site.folder())
    submit(site.folder("annealing-fi", "small-fi"), "4712")
    site.squeue(running())
    site.table()
    (asked,) = site.asked()
    assert asked.startswith("standard --noheader")
    assert "--jobs 4711,4712 " in asked


def test_a_single_slow_step_does_not_change_the_speed(site: Site) -> None:
    site.folder().mkdir(parents=True)
    log_steps(site.folder(), range(1, 6))
    pace = read_pace(site.folder())
    assert pace is not None
    assert (pace.tokens_per_second, pace.slots_per_second) == (350, 400)


@pytest.mark.parametrize("tail", ['{"step": 99, "phase_tok', '{"step": 99}\n', "\0\0\0\0", "[]\n", "{\n"])
def test_lines_that_are_no_steps_are_passed_over(site: Site, tail: str) -> None:
    site.folder().mkdir(parents=True)
    log_steps(site.folder(), range(1, 8))
    with open(site.folder() / "metrics.jsonl", "a") as stream:
        stream.write(tail)
    pace = read_pace(site.folder())
    assert pace is not None
    assert pace.step == 7


def test_only_the_end_of_a_long_log_is_read(site: Site) -> None:
    folder = site.folder()
    folder.mkdir(parents=True)
    log_steps(folder, range(1, 4))
    metrics = folder / "metrics.jsonl"
    end = metrics.read_bytes()
    with open(metrics, "wb") as stream:
        stream.truncate(2**40)  # a terabyte of nothing, which the file system does not store
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n" + end)
    pace = read_pace(folder)
    assert pace is not None
    assert pace.step == 3


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Priority", "Priority: other jobs go first"),
        ("BeginTime", "BeginTime: Slurm waits a while before it starts a job again"),
        ("JobHeldUser", "the same snakemake command releases it"),
        ("QOSMaxJobsPerUserLimit", "QOSMaxJobsPerUserLimit"),
    ],
)
def test_a_pending_phase_says_slurms_reason(site: Site, reason: str, words: str) -> None:
    submit(site.folder())
    site.squeue(pending(reason, starts="2026-02-01T03:04:05"))
    stable = site.stable()
    assert stable["state"] == "pending"
    assert words in stable["notes"][0]
    assert "Slurm expects it to start 2026-02-01 03:04." in stable["notes"]


def test_a_job_put_back_into_the_queue_counts_its_restarts_and_goes_on_from_its_checkpoint(site: Site) -> None:
    folder = site.folder()
    submit(folder)
    log_steps(folder, range(1, 13))
    save(folder, 10)
    ended(folder, "time limit", steps=(0, 4))
    ended(folder, "time limit", restart=1, steps=(4, 8))
    ended(folder, "node failure", restart=2, steps=(8, 10))
    site.squeue(pending("BeginTime"))
    stable = site.stable()
    assert (stable["state"], stable["restarts"]) == ("pending", 3)
    assert "3 restarts: time limit 2, node failure." in stable["notes"]
    assert stable["slots_done"] == 8_000
    assert [run["outcome"] for run in stable["history"]] == ["time limit", "time limit", "node failure"]


def test_a_cancelled_phase_is_stopped_and_says_how_it_continues(site: Site) -> None:
    folder = site.folder()
    submit(folder)
    ended(folder, "time limit", steps=(0, 4))
    ended(folder, "cancelled", restart=1, steps=(4, 8), reason="by user 1000")
    site.squeue(status=1, error="slurm_load_jobs error: Invalid job id specified")
    stable = site.stable()
    assert (stable["state"], stable["restarts"]) == ("stopped", 1)
    assert "cancelled (by user 1000)" in stable["notes"][0]
    assert "continues from the last checkpoint" in stable["notes"][0]
    assert "1 restart: time limit." in stable["notes"]


def test_a_job_cancelled_while_it_waited_to_run_again_is_not_told_by_how_its_last_run_ended(site: Site) -> None:
    folder = site.folder()
    submit(folder)
    ended(folder, "time limit", steps=(0, 4))
    site.squeue(QUEUED.format(state="CANCELLED", reason="None", left="0:00", starts="N/A"))
    stable = site.stable()
    assert stable["state"] == "stopped"
    assert "has ended (CANCELLED to Slurm)" in stable["notes"][0]
    assert "time limit" not in stable["notes"][0]


def test_the_end_of_a_log_in_a_reason_is_left_to_json(site: Site) -> None:
    submit(site.folder())
    ended(site.folder(), "refused", reason="rank 0 ended with status 65; a.err ends with:\nthe loss is nan")
    site.squeue()
    stable = site.stable()
    assert "refused (rank 0 ended with status 65; a.err)" in stable["notes"][0]
    assert stable["history"][0]["reason"].endswith("the loss is nan")


@pytest.mark.parametrize("answer", [[], [QUEUED.format(state="TIMEOUT", reason="None", left="0:00", starts="N/A")]])
def test_a_job_that_is_gone_leaves_its_phase_continuing_while_a_launch_works_on_it(
    site: Site, answer: list[str]
) -> None:
    submit(site.folder())
    ended(site.folder(), "time limit")
    site.squeue(*answer)
    stable = site.stable()
    assert stable["state"] == "stopped"
    assert stable["notes"][0].endswith("The same snakemake command continues it.")
    lock = try_lock(site.folder() / "launch.lock")
    assert lock is not None
    held = (site.folder() / "launch.lock").read_text()
    stable = site.stable()
    assert (stable["state"], stable["restarts"]) == ("continuing", 1)
    assert (site.folder() / "launch.lock").read_text() == held
    lock.release()


def test_a_job_that_is_gone_without_a_word_is_stopped(site: Site) -> None:
    submit(site.folder())
    site.squeue()
    stable = site.stable()
    assert stable["state"] == "stopped"
    assert "job 4711 has ended, and nothing is recorded of how." in stable["notes"][0]


def test_without_squeue_the_files_are_shown_and_one_line_says_so(site: Site) -> None:
    submit(site.folder())
    log_steps(site.folder(), range(1, 5))
    table = site.table()
    assert table.startswith("Slurm was not asked: there is no squeue on PATH; run this")
    assert "unknown" in table
    assert "3.2k/" in table


@pytest.mark.parametrize(
    "words",
    [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "squeue: error: Invalid job id: one",  # a record is wrong, and the other jobs' states are not known either
    ],
)
def test_a_squeue_that_fails_is_told_in_its_own_words(site: Site, words: str) -> None:
    submit(site.folder())
    submit(site.folder("annealing-fi", "small-fi"), "4712")
    ended(site.folder(), "cancelled")
    site.squeue(status=1, error=words)
    assert f"Slurm did not answer: {words}. What follows is from the files alone." in site.table()
    done = site.run("--json")
    assert done.returncode == 0
    assert "Slurm did not answer" in done.stderr
    states = {phase["phase"]: phase["state"] for phase in json.loads(done.stdout)}
    assert (states["stable"], states["annealing-fi"]) == ("stopped", "unknown")


def test_a_running_job_that_makes_no_steps_may_hang(site: Site) -> None:
    folder = site.folder()
    submit(folder)
    log_steps(folder, range(1, 5))
    long_ago = time.time() - 3600
    os.utime(folder / "metrics.jsonl", (long_ago, long_ago))
    site.squeue(running())
    assert any("No step for 60 min: it may hang" in note for note in site.stable()["notes"])
    site.squeue(running(started=f"{datetime.now():%Y-%m-%dT%H:%M:%S}"))
    assert not any("hang" in note for note in site.stable()["notes"])


def test_a_running_phase_that_no_snakemake_follows_says_so(site: Site) -> None:
    submit(site.folder())
    site.squeue(running())
    assert any("No snakemake follows it" in note for note in site.stable()["notes"])
    lock = try_lock(site.folder() / "launch.lock")
    assert not any("No snakemake follows it" in note for note in site.stable()["notes"])
    assert lock is not None
    lock.release()


def test_a_local_job_is_alive_as_long_as_its_process(site: Site) -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    process = {"pid": os.getpid(), "start_ticks": ticks, "host": socket.gethostname(), "partition": ""}
    submit(site.folder(), **process)
    assert site.stable()["state"] == "running"
    submit(site.folder(), **{**process, "start_ticks": ticks + 1})
    assert site.stable()["state"] == "stopped"


def test_a_recipe_that_changed_since_the_checkpoint_is_told(site: Site) -> None:
    submit(site.folder())
    site.squeue(running())
    save(site.folder(), 8)
    assert not any("The recipe has changed" in note for note in site.stable()["notes"])
    save(site.folder(), 9, seed=STABLE.seed + 1)
    assert any("The recipe has changed" in note for note in site.stable()["notes"])


def test_a_job_of_a_phase_that_the_recipe_no_longer_has_is_shown(site: Site) -> None:
    submit(site.folder("gone"))
    site.squeue(running())
    assert "The recipe has no such phase any more." in site.phases()["small/gone"]["notes"]


def test_a_damaged_record_is_told_and_hides_no_other_phase(site: Site) -> None:
    submit(site.folder())
    (site.folder() / "job.json").write_text("{")
    phases = site.phases()
    assert phases["small/stable"]["state"] == "unknown"
    assert "job.json is not valid JSON" in phases["small/stable"]["notes"][0]
    assert phases["small/extension"]["state"] == "not begun"


def test_runs_can_be_chosen_and_show_the_phases_they_share(site: Site) -> None:
    table = site.table("small-fi")
    assert "annealing-fi" in table
    assert "stable" in table
    assert "theta" not in table
    done = site.run("smal")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: there is no run 'smal' in {site.directory}/results; the runs there are: small, small-fi, "
        "small-theta.\n"
    )


def test_where_no_recipe_was_read_nothing_has_begun(site: Site, tmp_path: Path) -> None:
    (tmp_path / "empty" / "results").mkdir(parents=True)
    assert "No phase has begun" in Site(tmp_path / "empty", site.programs).table()
    assert Site(tmp_path / "empty", site.programs).run("--json").stdout == "[]\n"


def test_a_directory_without_results_is_an_error_that_says_what_to_do(site: Site, tmp_path: Path) -> None:
    done = Site(tmp_path, site.programs).run()
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path} has no results/; give --directory where snakemake runs.\n"


def test_a_run_after_watch_is_explained(site: Site) -> None:
    done = site.run("--watch", "small")
    assert done.returncode == 2
    assert "name runs before --watch" in done.stderr


def test_watching_shows_the_table_again_until_ctrl_c(site: Site) -> None:
    process = subprocess.Popen(
        site.command("--watch", "0.1"), env=site.environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    seen = b""
    while seen.count(b"until Ctrl-C") < 3:
        line = process.stdout.readline()
        assert line, "it ended by itself"
        seen += line
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, b"")
    assert b"\033" not in seen


def test_watching_in_a_terminal_clears_it(site: Site) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(site.command("--watch"), env=site.environment(), cwd=ROOT, stdout=theirs)
    seen: list[bytes] = []
    wait_for(lambda: seen.append(os.read(ours, 65536)) or b"until Ctrl-C" in b"".join(seen))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert b"".join(seen).startswith(b"\033[H\033[2J")
    os.close(ours)
    os.close(theirs)


def test_the_command_needs_no_torch(site: Site) -> None:
    code = "import sys, slurm.status; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
