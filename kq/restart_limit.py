"""When a program that died is started again, and when no more. Pure: no clock, no process."""

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
            restart_limit: deaths within `window_s` seconds after which it is not started again; 0: none.
            window_s: deaths that are longer ago are forgotten.
            stable_after_s: a program that lived for so long did start: its earlier deaths are forgotten.
            immediate: how many restarts need no delay.
            delay_s: before the first restart that needs one; it doubles with each further death.
            max_delay_s: the longest delay.
        """
        self.restart_limit = restart_limit
        self.window_s = window_s
        self.stable_after_s = stable_after_s
        self._immediate = immediate
        self._delay_s = delay_s
        self._max_delay_s = max_delay_s
        self._deaths: list[float] = []
        self.restart_at = 0.0
        """When it may be started again."""

    @property
    def deaths(self) -> int:
        """How many count."""
        return len(self._deaths)

    @property
    def died_at(self) -> float:
        """When the last death that counts was; 0.0: there was none."""
        return self._deaths[-1] if self._deaths else 0.0

    def died(self, now: float, lived_s: float = 0.0) -> bool:
        """Count a death. Returns whether the program may be started again, at `restart_at`."""
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
