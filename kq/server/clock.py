"""The time of the server's events, on both clocks. Its wall clock, which users see, never runs backwards."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..core import Instant

__all__ = ["Clock"]


class Clock:
    """Keeps durations right when the system's clock is set back; follows it again when it has caught up.

    A clock that is set ahead is followed at once: a machine that was asleep looks the same.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._last = Instant(monotonic(), wall())

    def now(self) -> Instant:
        """This moment."""
        mono = self._monotonic()
        expected = self._last.wall + (mono - self._last.mono)
        self._last = Instant(mono, max(self._wall(), expected))
        return self._last
