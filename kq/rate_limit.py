"""How often something may be sent: a few times at once after a quiet moment, then evenly. Pure: no clock."""

from __future__ import annotations

__all__ = ["Pace"]


class Pace:
    """Every `interval_s` seconds in the long run, and `burst` times in a row after as many of quiet.

    So what happens now and then is sent at once, and what happens all the time is gathered.
    """

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._ahead_s = interval_s * (burst - 1)
        self._due = 0.0
        """When the next one would come if they all came evenly."""

    def wait_s(self, now: float) -> float:
        """Seconds until one may be sent; 0: now."""
        return max(self._due - self._ahead_s - now, 0.0)

    def used(self, now: float) -> None:
        """One is sent now."""
        self._due = max(self._due, now) + self._interval_s
