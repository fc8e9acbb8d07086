"""What was sent to an Agent and not confirmed: only a peer that reads what it asked for is sent more. Pure.

A peer that never reads has the server keep it all. What it has read it proves by a number that came with it.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Receipts"]

_MAX_UNCONFIRMED = 64
"""Of an Agent: 16 MiB. Ours have 4 parts under way; those of attempts that were stopped come on top."""
_MAX_AGENTS = 2000
_FORGET_AFTER_S = 60.0
"""By then the connection is gone, if it was not read from: see ServerWire."""


class Receipts:
    """Numbers that go out with parts of files and come back. For one thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: what time it is, in seconds.
        """
        self._clock = clock
        self._random = random.SystemRandom()
        self._open: dict[str, OrderedDict[int, float]] = {}
        """By Agent, oldest first: the numbers that went out, and when."""

    def issue(self, agent: str) -> int | None:
        """A number for the next part; None: the Agent has to confirm earlier ones first."""
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
        """The Agent has read the part with this number, and all that were sent before it."""
        numbers = self._open.get(agent)
        if numbers is None or number not in numbers:
            return
        while numbers.popitem(last=False)[0] != number:
            pass

    def _sweep(self, now: float) -> None:
        """Drop what is too old. An Agent that left keeps its numbers until then, should it come back."""
        for agent, numbers in list(self._open.items()):
            if not numbers or now - next(reversed(numbers.values())) > _FORGET_AFTER_S:
                del self._open[agent]
