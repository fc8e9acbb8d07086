"""The time, on both clocks, for server and clients: durations stay right when the system's is set."""

from __future__ import annotations

import time
from collections.abc import Callable

from .records import JobRecord, TaskRecord

__all__ = ["Clock", "elapsed_s"]


class Clock:
    """A wall clock, which users see, that never runs backwards.

    It keeps durations right when the system's clock is set back, and follows it again when it has caught up.
    A clock that is set ahead is followed at once: a machine that was asleep looks the same.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._last = monotonic(), wall()

    def read(self) -> tuple[float, float]:
        """This moment: monotonic seconds, and seconds since the epoch."""
        last_mono, last_wall = self._last
        mono = self._monotonic()
        self._last = mono, max(self._wall(), last_wall + (mono - last_mono))
        return self._last

    def wall(self) -> float:
        """This moment, in seconds since the epoch."""
        return self.read()[1]

    def follow(self, wall: float) -> None:
        """It is not earlier than `wall`, in seconds since the epoch: another such clock says so."""
        mono, known = self.read()
        self._last = mono, max(known, wall)


def elapsed_s(record: JobRecord | TaskRecord, now_s: float) -> float | None:
    """How long it has run, or ran, in seconds; None before it started.

    Args:
        record: a job, whose tasks may have run at several times, or a task, of which its last run counts.
        now_s: the server's time, as a client's `Clock` has it.
    """
    if isinstance(record, JobRecord):
        before, ended = record.ran_s, record.completed
    else:
        before, ended = 0.0, record.ended
    if record.started is None:
        return before or None
    return before + max(0.0, (now_s if ended is None else ended) - record.started)
