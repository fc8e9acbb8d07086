"""Work on very many jobs at somebody's click, in short turns: the window goes on meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, Qt, QTimer

from ...gil_yield import gil_yield

__all__ = ["ChunkedWork"]

BUDGET_S = 0.002
APART_MS = 1


class ChunkedWork(QObject):
    """Qt's thread. What is little is done before `do` returns."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._works: deque[tuple[Iterator[None], Callable[[], None]]] = deque()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(APART_MS)
        self._timer.timeout.connect(self._turn)

    @property
    def is_at_work(self) -> bool:
        """Whether something is not done yet."""
        return bool(self._works)

    def do(self, steps: Iterator[None], done: Callable[[], None]) -> None:
        """Go through `steps`, each shorter than a millisecond, then call `done`; one work after the other."""
        self._works.append((steps, done))
        if len(self._works) == 1:
            self._turn()

    def _turn(self) -> None:
        end_s = time.perf_counter() + BUDGET_S
        with gil_yield:
            while self._works:
                work = self._works.popleft()  # one that fails is not met again
                steps, done = work
                for _ in steps:
                    if time.perf_counter() > end_s:
                        self._works.appendleft(work)
                        self._timer.start()
                        return
                done()
        self._timer.stop()
