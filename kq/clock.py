"""A wall clock for server and clients that is robust against changes of the system's clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from .records import JobRecord, TaskRecord

__all__ = ["Clock", "elapsed_s"]


class Clock:
    """A wall clock that never runs backwards.

    When the system's clock is set back, it continues at normal speed until that has caught up. When the
    system's clock is set forward, it follows at once, because a machine that was asleep looks the same.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._last = monotonic(), wall()

    def read(self) -> tuple[float, float]:
        """Return the current time: monotonic seconds, and seconds since the epoch."""
        last_mono, last_wall = self._last
        mono = self._monotonic()
        self._last = mono, max(self._wall(), last_wall + (mono - last_mono))
        return self._last

    def wall(self) -> float:
        """Return the current time in seconds since the epoch."""
        return self.read()[1]

    def follow(self, wall: float) -> None:
        """Advance to `wall`, the time of another such clock in seconds since the epoch, if that is later."""
        mono, known = self.read()
        self._last = mono, max(known, wall)


def elapsed_s(record: JobRecord | TaskRecord, now_s: float) -> float | None:
    """Return how long a job or task has run, or ran, in seconds; None before it started.

    A run that left no end, as on a lost node of a farm, does not count.

    Args:
        record: a job, with the time of earlier runs, or a task, with its last attempt only.
        now_s: the server's time in seconds since the epoch, from QueueClient.now_s.
    """
    if isinstance(record, JobRecord):
        before, ended, may_run = record.ran_s, record.completed, not record.state.is_terminal
    else:
        before, ended, may_run = 0.0, record.ended, record.state.is_on_agent
    if record.started is None or (ended is None and not may_run):
        return before or None
    return before + max(0.0, (now_s if ended is None else ended) - record.started)
