"""Work in other processes: in order, errors passed on, and nobody left behind."""

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import psutil
import pytest

from common.errors import UserError
from common.workers import map_in_processes

ROOT = Path(__file__).parents[2]


def square(number: int) -> tuple[int, int]:
    time.sleep(0.1 / (number + 1))
    return number**2, os.getpid()


def fail(number: int) -> int:
    if number == 1:
        raise UserError("the second is wrong.")
    return number


def die(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Large:
    """A result of which a test can see whether it is still held."""


def make_large(number: int) -> Large:
    time.sleep(0.02 * number)
    return Large()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_that_was_given_is_not_held(workers: int) -> None:
    given: list[weakref.ref[Large]] = []
    for result in map_in_processes(make_large, range(5), workers):
        given.append(weakref.ref(result))
        del result
        gc.collect()
        assert [one() for one in given] == [None] * len(given)


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    results = list(map_in_processes(square, range(5), workers))
    assert [result for result, _ in results] == [0, 1, 4, 9, 16]
    assert (os.getpid() in {pid for _, pid in results}) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_is_raised_here(workers: int) -> None:
    with pytest.raises(UserError, match="the second is wrong"):
        list(map_in_processes(fail, range(5), workers))


def fail_beside_a_long_task(number: int) -> None:
    if number == 0:
        time.sleep(600)
    raise UserError("the second is wrong.")


def test_an_error_is_told_at_once_and_ends_tasks_that_are_under_way() -> None:
    with pytest.raises(UserError, match="the second is wrong"):
        list(map_in_processes(fail_beside_a_long_task, range(2), 2))


def test_a_killed_worker_is_told() -> None:
    with pytest.raises(UserError, match="fewer --workers"):
        list(map_in_processes(die, range(5), 2))


FORKS = """
import os, sys, threading, time
from common.workers import map_in_processes

STARTED_IN = os.getpid()

def process_that_imported(_):
    return STARTED_IN

if __name__ == "__main__":
    if sys.argv[1] == "thread":
        threading.Thread(target=time.sleep, args=[5], daemon=True).start()
    print(os.getpid() in set(map_in_processes(process_that_imported, range(4), 2)))
"""


@pytest.mark.parametrize(("others", "forked"), [("none", "True"), ("thread", "False")])
def test_workers_are_forked_where_no_other_thread_holds_a_lock(tmp_path: Path, others: str, forked: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(FORKS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.check_output([sys.executable, program, others], env=environment, text=True).strip() == forked


@pytest.mark.parametrize(("threads", "workers"), [(1, 2), (2, 3)], ids=["forked", "spawned beside a tracker"])
def test_workers_end_with_a_killed_parent(tmp_path: Path, threads: int, workers: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import threading, time\nfrom common.workers import map_in_processes\n"
        "def wait(task):\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        f"    [threading.Thread(target=wait, args=[0], daemon=True).start() for _ in range({threads - 1})]\n"
        "    list(map_in_processes(wait, [1, 2], 2))\n"
    )
    parent = subprocess.Popen([sys.executable, program], env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 30
    children: list[psutil.Process] = []
    while len(children) < workers and time.monotonic() < deadline:
        children = psutil.Process(parent.pid).children()
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
