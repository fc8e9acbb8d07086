"""Limits a rate, with short bursts after idle time (a token bucket). Pure: no clock."""

from __future__ import annotations

__all__ = ["RateLimit"]


class RateLimit:
    """Allows one event per `interval_s` seconds on average, and up to `burst` at once after idle time.

    So rare events are sent at once, and frequent ones are batched.
    """

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._ahead_s = interval_s * (burst - 1)
        self._due = 0.0
        """Monotonic time of the next event if all came evenly."""

    def wait_s(self, now: float) -> float:
        """Return the seconds until an event is allowed; 0: now. `now` is monotonic."""
        return max(self._due - self._ahead_s - now, 0.0)

    def record_use(self, now: float) -> None:
        """Count an event at `now`."""
        self._due = max(self._due, now) + self._interval_s
