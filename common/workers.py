"""Work for many processes, whose results come in the order of the tasks."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TypeVar

from common.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


def map_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Yield `function` of each task, in order, computed by at most `workers` processes.

    With one worker, or one task, all happens in this process. The processes end when this one does, however it ends.
    Function and tasks are pickled. Where this process has no other thread, the processes begin with all that it has
    imported and read.

    Raises:
        UserError: a process was killed. What `function` raises is raised here, at once, and ends the other processes.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        yield from map(function, tasks)
        return
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=_context(), initializer=_die_with_parent) as pool:
        try:
            yield from _in_order({pool.submit(function, task): place for place, task in enumerate(tasks)})
        except BaseException as error:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            if isinstance(error, BrokenProcessPool):
                raise UserError(
                    "a worker was killed, most likely for memory; run again with fewer --workers."
                ) from None
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _context() -> BaseContext:
    """Fork, which takes some milliseconds and not a start and its imports, but only where there is a single thread.

    Locks that other threads hold would be copied, and nobody would ever open the copies. Threads of libraries count.
    """
    threads = Path("/proc/self/task")
    alone = threads.is_dir() and len(list(threads.iterdir())) == 1
    return multiprocessing.get_context("fork" if alone else "spawn")


def _in_order(places: dict[Future[Result], int]) -> Iterator[Result]:
    """Yield the results in order; raise the first failure as soon as it happens, whatever is not done before it.

    Takes the futures out of `places`, so that no result is held once it has been given.
    """
    early: dict[int, Result] = {}
    following = 0
    for future in as_completed(places):
        early[places.pop(future)] = future.result()
        del future
        while following in early:
            yield early.pop(following)
            following += 1


def _die_with_parent() -> None:
    """End this worker when its parent is killed: else it would write into the next attempt's directory."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None, "runs in a worker only"
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
