"""From the metrics of a phase to segments of a tracker's run, until told to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from workflow.tracking.following import Lines
from workflow.tracking.rows import Row, row_of
from workflow.tracking.segment import Named, Segment
from workflow.tracking.state import Mirrored, Record

POLL_SECONDS = 5.0


class Mirror:
    """One life of a mirror. What another left unfinished is mirrored again."""

    def __init__(self, record: Record, lines: Lines, named: Named, seconds: float) -> None:
        """Go on after what is on record.

        Args:
            record: of the phase.
            lines: of its metrics, after those that are on record.
            named: the tracker's run.
            seconds: after which a segment is finished, and can be uploaded.
        """
        self._record, self._lines, self._named, self._seconds = record, lines, named, seconds
        self._now: Mirrored = record.mirrored
        self._segment: Segment | None = None
        self._began = 0.0

    def follow(self, stopped: Callable[[], bool], pause: Callable[[float], None], told: Callable[[], None]) -> None:
        """Mirror what comes until `stopped`, then what is left, and end.

        Args:
            stopped: whether to end.
            pause: waits for so many seconds, less where `stopped` comes true.
            told: called when a segment is finished.
        """
        try:
            self._follow(stopped, pause, told)
        except BaseException:
            if self._segment:
                self._segment.abandon()
            raise

    def _follow(self, stopped: Callable[[], bool], pause: Callable[[float], None], told: Callable[[], None]) -> None:
        last = False
        while not last:
            last = stopped()  # asked first: what training wrote before its end is then read
            more = True
            while more:
                lines = self._lines.read()
                for row in filter(None, map(row_of, lines)):
                    self._add(row)
                more = bool(lines)
                if (last and not more) or time.monotonic() - self._began >= self._seconds:
                    self._finish(told)
            if not last:
                pause(POLL_SECONDS)

    def _add(self, row: Row) -> None:
        if self._segment is None:
            self._segment, self._began = Segment(self._now.id, self._named, self._record.folder), time.monotonic()
        step = int(row["step"])
        if step <= self._now.step:
            # A tracker keeps what it has: steps that are taken again come after it, and say so.
            repeated = self._now.repeated + self._now.step - step + 1
            self._now = replace(self._now, repeated=repeated, went_back=self._now.went_back + 1)
        self._segment.add(step + self._now.repeated, row | {"went_back": self._now.went_back})
        self._now = replace(self._now, step=step)

    def _finish(self, told: Callable[[], None]) -> None:
        if self._segment is None:
            return
        folder = self._segment.finish()
        self._segment = None
        self._record.finish(folder, replace(self._now, known=self._lines.known.hex()))
        self._now = self._record.mirrored
        told()
