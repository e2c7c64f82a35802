"""What a person reads while Snakemake works: each job once, failures in a sentence, nothing missed at the end."""

from pathlib import Path

import pytest

from workflow.cli.terminal.telling import Teller, last_words, without_frames


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def teller(clock: Clock, lines: list[str]) -> Teller:
    return Teller(lines.append, now=clock, total=12)


def test_a_job_is_a_line_when_it_ends_with_its_time_and_the_steps_done(
    teller: Teller, lines: list[str], clock: Clock
) -> None:
    teller.begin(3, "Packing rows", [])
    teller.begin(4, "Training small", [])
    assert lines == []
    clock.time = 65.0
    teller.finish(3)
    teller.count(1, 12)
    assert lines == ["[ 1/12] 0:01:05  Packing rows"]
    assert list(teller.running) == [4]


def test_a_failure_is_the_sentence_its_log_ends_with_and_the_logs_path(
    teller: Teller, lines: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "job.log"
    log.write_text("reading\nerror: an older one\nwarning: odd\nerror: no room on the disk\nfree some and run again\n")
    teller.begin(3, "Packing rows", [str(log)])
    teller.fail(3, "rows", [str(log)], "")
    assert lines == [
        f"failed: Packing rows\n  error: no room on the disk\n  free some and run again\n  log: {log.absolute()}"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [("one\nTraceback\nKeyError: 'x'\n\n", ["KeyError: 'x'"]), ("", []), ("error: a\n", ["error: a"])],
)
def test_the_last_words_of_a_log_without_an_error_are_its_last_line(tmp_path: Path, text: str, told: list[str]) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert last_words(log) == told
    assert last_words(tmp_path / "none") == []


BAR = "\rLoading weights:   0%|          | 0/26 [00:00<?, ?it/s]\rLoading weights:  50%|#####     | 13/26 [00:00<00:00]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{BAR}error: no rows\n", ["error: no rows"]),
        (f"KeyError: 'x'\n{BAR}\n{BAR}", ["KeyError: 'x'"]),
        (BAR, []),
        ("mixture: 5% | 3 [rows]\n", ["mixture: 5% | 3 [rows]"]),
    ],
)
def test_bars_of_libraries_are_no_last_words(tmp_path: Path, text: str, told: list[str]) -> None:
    (tmp_path / "log").write_text(text)
    assert last_words(tmp_path / "log") == told


def test_an_error_of_an_earlier_attempt_at_training_is_not_told_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("launch: submitted\nerror: no rows\nlaunch: submitted\nlaunch: stopped\n")
    assert last_words(tmp_path / "log") == ["launch: stopped"]


OF_TORCH = """\
/venv/site-packages/torch/distributed/c10d_logger.py:83: FutureWarning: `all_gather_into_tensor` is deprecated.
  return func(*args, **kwargs)
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"error: no rows\n{OF_TORCH}", ["error: no rows"]),
        (f"Traceback\nKeyError: 'x'\n{OF_TORCH}", ["KeyError: 'x'"]),
        (f"{OF_TORCH}error: no rows\n  mend that\n", ["error: no rows", "  mend that"]),
        (OF_TORCH, []),
    ],
)
def test_warnings_of_libraries_are_no_last_words(tmp_path: Path, text: str, told: list[str]) -> None:
    (tmp_path / "log").write_text(text)
    assert last_words(tmp_path / "log") == told


@pytest.mark.parametrize(
    "last",
    [
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2.00 GiB for an array",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
        "error: Cannot allocate memory.",
    ],
)
def test_a_job_that_had_too_little_memory_fails_with_what_to_do(
    teller: Teller, lines: list[str], tmp_path: Path, last: str
) -> None:
    log = tmp_path / "log"
    log.write_text(f"Traceback (most recent call last):\n{last}\n")
    teller.fail(1, "rows", [str(log)], "")
    told = lines[0].splitlines()
    assert told[1] == f"  {last}"
    assert told[2].startswith("  There was too little memory: set --cores lower")


def test_a_job_that_lacks_a_package_fails_with_what_installs_it(
    teller: Teller, lines: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback (most recent call last):\nModuleNotFoundError: No module named 'orjson'\n")
    teller.fail(1, "rows", [str(log)], "")
    told = lines[0].splitlines()
    assert told[1] == "  ModuleNotFoundError: No module named 'orjson'"
    assert told[2].startswith("  The environment lacks a package: `make environment` in ")


def test_a_job_that_was_killed_is_not_told_by_the_line_where_its_log_stops(
    teller: Teller, lines: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("reading 17 of 90\n")
    teller.fail(1, "rows", [str(log)], "", killed=True)
    assert "17 of 90" not in lines[0]
    assert "killed from outside (signal 9). If that was for want of memory, set --cores lower" in lines[0]


def test_a_job_without_a_log_fails_in_snakemakes_words(teller: Teller, lines: list[str]) -> None:
    teller.fail(9, "rows", [], "killed by a signal")
    assert lines == ["failed: rows\n  killed by a signal"]


def test_warnings_of_jobs_stand_at_the_end_each_once(teller: Teller, lines: list[str], tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("warning: la is not measured\nall else is\n")
    for number in (1, 2):
        teller.begin(number, "Measuring", [str(log)])
        teller.finish(number)
        teller.count(number, 12)
    teller.count(12, 12)
    assert not [line for line in lines if "warning" in line]
    teller.close()
    assert lines[2:] == [f"warning: la is not measured  ({log})"]


def test_a_warning_that_stands_at_the_end_already_is_not_told_twice(teller: Teller, lines: list[str]) -> None:
    teller.warn("early")
    teller.begin(1, "Packing", [])
    teller.finish(1)
    teller.count(12, 12)
    teller.warn("late")
    teller.close()
    assert [line for line in lines if "Packing" not in line] == ["early", "late", "early"]


def test_the_end_says_what_is_left(teller: Teller, lines: list[str]) -> None:
    teller.begin(1, "Training small", [])
    teller.count(2, 12)
    teller.close()
    assert lines == ["2 of 12 steps are done; the same command goes on from here."]


def test_failures_that_other_lines_have_buried_stand_together_at_the_end(teller: Teller, lines: list[str]) -> None:
    teller.begin(3, "Packing", [])
    for number, name in enumerate(("rows", "train")):
        teller.fail(number, name, [], "odd")
    teller.finish(3)
    teller.close()
    assert [line for line in lines if "Packing" not in line] == [
        *("failed: rows\n  odd", "failed: train\n  odd"),
        *("2 jobs failed:", "failed: rows\n  odd", "failed: train\n  odd"),
        "0 of 12 steps are done; the same command goes on from here.",
    ]


def test_failures_that_stand_at_the_end_already_are_not_told_twice(teller: Teller, lines: list[str]) -> None:
    for number, name in enumerate(("rows", "train")):
        teller.fail(number, name, [], "odd")
    teller.close()
    assert lines[:2] == ["failed: rows\n  odd", "failed: train\n  odd"]
    assert lines[2:] == ["0 of 12 steps are done; the same command goes on from here."]


def test_what_ends_because_a_person_asked_has_stopped_and_not_failed(
    clock: Clock, lines: list[str], tmp_path: Path
) -> None:
    teller = Teller(lines.append, colours=True, now=clock, total=2)
    (tmp_path / "train.log").write_text("launch: stopped; the same command continues\n")
    (tmp_path / "rows.log").write_text("error: no such rows\n")
    teller.begin(1, "Training small", [])
    teller.stopping = True
    teller.fail(1, "train", [str(tmp_path / "train.log")], "")
    teller.fail(2, "rows", [str(tmp_path / "rows.log")], "")
    assert lines[0] == ("\x1b[33mstopped: Training small\n  launch: stopped; the same command continues\x1b[0m")
    assert lines[1].startswith("\x1b[31mfailed: rows\n  error: no such rows\n  log: ")


def test_what_is_at_work_is_told_with_its_time(teller: Teller, lines: list[str], clock: Clock) -> None:
    teller.still()
    assert lines == []
    teller.begin(1, "Training small", [])
    clock.time = 120.0
    teller.still()
    assert lines == ["  at work: Training small (0:02:00)"]


def test_an_error_of_snakemakes_is_told_without_the_places_it_arose_at() -> None:
    text = 'WorkflowError in file "/a/common.smk", line 42:\nno recipe is named\n  File "/a/common.smk", line 42, in x'
    assert without_frames(text) == "no recipe is named"
    assert without_frames("WorkflowError:") == "WorkflowError:"


def test_colours_are_around_what_is_wrong_only(clock: Clock, lines: list[str]) -> None:
    teller = Teller(lines.append, colours=True, now=clock)
    teller.begin(1, "Packing", [])
    teller.finish(1)
    teller.count(1, 1)
    teller.warn("careful")
    assert "\x1b" not in lines[0]
    assert lines[1].startswith("\x1b[33m")
