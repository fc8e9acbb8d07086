"""Flow control for parts of files sent to Agents: limits the parts that were not confirmed. Pure.

A peer that never reads would fill the server's memory. It confirms a part by the random number in it.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Receipts"]

_MAX_UNCONFIRMED = 64
"""Parts per Agent: 16 MiB. Agents request 4 ahead; parts of stopped attempts come on top."""
_MAX_AGENTS = 2000
_FORGET_AFTER_S = 60.0
"""Seconds. A connection that was not read from for so long has been closed: see ServerWire."""


class Receipts:
    """The numbers of unconfirmed parts, by Agent. Not thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: returns monotonic seconds.
        """
        self._clock = clock
        self._random = random.SystemRandom()
        self._open: dict[str, OrderedDict[int, float]] = {}
        """By Agent, oldest first: unconfirmed numbers, and when each was issued."""

    def issue(self, agent: str) -> int | None:
        """A random number for the next part; None if the Agent must confirm earlier ones first."""
        now = self._clock()
        if len(self._open) >= _MAX_AGENTS:
            self._sweep(now)
        numbers = self._open.setdefault(agent, OrderedDict())
        while numbers and now - next(iter(numbers.values())) > _FORGET_AFTER_S:
            numbers.popitem(last=False)
        if len(numbers) >= _MAX_UNCONFIRMED:
            return None
        number = self._random.randrange(1, 2**62)
        numbers[number] = now
        return number

    def confirm(self, agent: str, number: int) -> None:
        """Confirm the part with this number and all earlier ones. Unknown numbers are ignored."""
        numbers = self._open.get(agent)
        if numbers is None or number not in numbers:
            return
        while numbers.popitem(last=False)[0] != number:
            pass

    def _sweep(self, now: float) -> None:
        """Drop Agents whose numbers are all too old. Until then a disconnected Agent may come back."""
        for agent, numbers in list(self._open.items()):
            if not numbers or now - next(reversed(numbers.values())) > _FORGET_AFTER_S:
                del self._open[agent]
