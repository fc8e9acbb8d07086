"""Limits and delays the restarts of a program that died. Pure: no clock, no process."""

from __future__ import annotations

import math

__all__ = ["RestartLimit"]


class RestartLimit:
    """Counts the deaths of one program, or of several that fail for the same cause. Times are monotonic."""

    def __init__(
        self,
        *,
        restart_limit: int = 0,
        window_s: float = math.inf,
        stable_after_s: float = math.inf,
        immediate: int = 0,
        delay_s: float = 0.0,
        max_delay_s: float = 30.0,
    ) -> None:
        """
        Args:
            restart_limit: deaths within `window_s` after which it is not restarted; 0: no limit.
            window_s: seconds after which a death is no longer counted.
            stable_after_s: earlier deaths of a program that ran for so many seconds are not counted.
            immediate: number of restarts without a delay.
            delay_s: seconds before the first delayed restart; doubles with each further death.
            max_delay_s: longest delay, in seconds.
        """
        self.restart_limit = restart_limit
        self.window_s = window_s
        self.stable_after_s = stable_after_s
        self._immediate = immediate
        self._delay_s = delay_s
        self._max_delay_s = max_delay_s
        self._deaths: list[float] = []
        self.restart_at = 0.0
        """Monotonic time from which it may be restarted."""

    @property
    def deaths(self) -> int:
        """Number of deaths that are counted."""
        return len(self._deaths)

    @property
    def last_death_at(self) -> float:
        """Monotonic time of the last counted death; 0.0 without one."""
        return self._deaths[-1] if self._deaths else 0.0

    def record_death(self, now: float, lived_s: float = 0.0) -> bool:
        """Count a death at `now`, after `lived_s` seconds. Returns whether to restart at `restart_at`."""
        if lived_s >= self.stable_after_s:
            self._deaths.clear()
        self._deaths = [each for each in self._deaths if now - each < self.window_s] + [now]
        delays = self.deaths - 1 - self._immediate
        delay_s = self._delay_s * 2.0 ** min(delays, 30) if delays >= 0 else 0.0
        self.restart_at = now + min(delay_s, self._max_delay_s)
        return not self.restart_limit or self.deaths < self.restart_limit

    def reset(self) -> None:
        """Forget all deaths: the program works."""
        self._deaths.clear()
        self.restart_at = 0.0
