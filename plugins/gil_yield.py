"""Who goes first when threads want Python at once: Qt's. Threads of the plug-ins that compute give way to it.

Python runs one thread at a time. One that computes holds up each call that Qt makes to Python for as long as
it goes on, and a single drawing of a view makes hundreds.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

__all__ = ["GilYield", "gil_yield"]

AFTER_S = 0.0015
"""The way stays taken for so long: what Qt does next in the same turn often calls Python again."""
REST_S = 0.0005
TIMEOUT_S = 0.016
"""Others wait for who rests: Qt's thread may be at work for long, with hardly a pause."""
LONGEST_S = 0.1
"""Longer than this Qt's thread is not at work but waits, perhaps for an answer to a dialog."""


class GilYield:
    """Qt's thread holds it (`with gil_yield:`) while it draws, or takes in what came; also within itself.

    Nobody is ever held up who takes it: whoever gives way looks, by `is_taken`, before each short step.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._entered_s = self._left_s = 0.0

    def __enter__(self) -> None:
        """Qt's thread."""
        self._depth += 1
        self._entered_s = time.perf_counter()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Qt's thread."""
        self._depth -= 1
        self._left_s = time.perf_counter()

    def is_taken(self) -> bool:
        """Whether Qt's thread is at work, or was a moment ago; any thread."""
        now_s = time.perf_counter()
        return (self._depth > 0 and now_s - self._entered_s < LONGEST_S) or now_s - self._left_s < AFTER_S

    def give_way(self, ending: threading.Event, rest_s: float) -> None:
        """Rest for `rest_s`, and again while the way is taken, until `ending` is set; any thread but Qt's."""
        time.sleep(rest_s)
        while self.is_taken() and not ending.is_set():
            time.sleep(rest_s)

    def rest(self) -> None:
        """Rest for a moment, and while the way is taken for PATIENCE_S at most; any thread but Qt's.

        The moment lets in whoever waits for Python: a thread that lets go and is back at once keeps it.
        """
        end_s = time.perf_counter() + TIMEOUT_S
        time.sleep(REST_S)
        while self.is_taken() and time.perf_counter() < end_s:
            time.sleep(REST_S)


gil_yield = GilYield()
"""One for the process, as Qt's thread is."""
