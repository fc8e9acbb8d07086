"""Starts planned renders one after the other, one in each turn of Qt's loop, and says how far it is."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer, Signal

from .render_plan import PlannedRender

__all__ = ["RenderStarter"]

_log = logging.getLogger("KatanaQueue")


class RenderStarter(QObject):
    """Qt's thread; it never holds that up for longer than starting one render takes.

    Signals:
        advanced(int, str): so many have been tried; the name of the next.
        ended(): nothing is left to start, or it was cancelled.

    Attributes:
        started: how many were started.
        problems: a message for each that was not.
    """

    advanced = Signal(int, str)
    ended = Signal()

    def __init__(
        self,
        renders: Sequence[PlannedRender],
        start: Callable[[PlannedRender], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._waiting = deque(renders)
        self._start = start
        self.total = len(renders)
        self.started = 0
        self.problems: list[str] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    def begin(self) -> None:
        """Start the first soon."""
        self._announce()

    def cancel(self) -> None:
        """Start no more. What was started goes on."""
        if self._waiting:
            self._waiting.clear()
            self._timer.stop()
            self.ended.emit()

    def _step(self) -> None:
        planned = self._waiting.popleft()
        try:
            self._start(planned)
            self.started += 1
        except Exception as error:  # noqa: BLE001  what Katana raises is not known, and the others are still to start
            message = f"{planned.name}: {error or type(error).__name__}"
            self.problems.append(message)
            _log.error("Start Multiple Renders: %s", message)
        self._announce()

    def _announce(self) -> None:
        tried = self.started + len(self.problems)
        self.advanced.emit(tried, self._waiting[0].name if self._waiting else "")
        if self._waiting:
            self._timer.start()
        else:
            self.ended.emit()
