"""What may become of a job: lives for tests/slurm/fake/scheduler.py."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

from tests.slurm.fake.scheduler import FakeJob, Life

MINUTE = 60.0


class Killed(BaseException):
    """SIGKILL, as far as a test can send it to itself."""


def killed(*_: object) -> None:
    raise Killed


def finishes(job: FakeJob) -> Iterator[float]:
    job.start()
    yield MINUTE
    job.finish()


def ends(state: str, *statuses: int, progress: bool = True) -> Life:
    """A life of a minute; ranks leave `statuses`, and Slurm says `state`."""

    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        if progress:
            job.checkpoint()
        job.ranks_end(*statuses)
        job.state(state)

    return life


def asks_to_be_put_back(job: FakeJob) -> Iterator[float]:
    """Signalled before its time limit, it checkpoints, and its batch script puts it back, as often as it may."""
    while job.restart < 12:
        job.start()
        yield MINUTE
        job.checkpoint()
        job.ranks_end(75, signals=[signal.SIGUSR2])
        assert job.aftermath()
        job.requeue()
        yield 2 * MINUTE
    yield from finishes(job)


def loses_a_node(then: Callable[[FakeJob], Iterator[float]] | None) -> Life:
    """Slurm puts it back by itself after 100 seconds, unless `then` is None."""

    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        job.checkpoint()
        job.state("NODE_FAIL", "NodeDown", may_return=then is not None)
        if then:
            yield 100.0
            job.requeue()
            yield MINUTE
            yield from then(job)

    return life
