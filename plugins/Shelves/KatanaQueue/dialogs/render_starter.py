"""Starts planned renders one at a time, one in each turn of Qt's event loop, and reports progress."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer, Signal

from .render_plan import PlannedRender

__all__ = ["RenderStarter"]

_log = logging.getLogger("KatanaQueue")


class RenderStarter(QObject):
    """Starts renders on Qt's thread, which stays responsive between two of them.

    Args:
        renders: what to start, in this order.
        start: starts one render; any exception counts as a problem, and the next render follows.

    Signals:
        advanced(int, str): how many have been tried, and the name of the next, empty after the last.
        ended(): nothing is left to start, or it was cancelled.

    Attributes:
        total: how many renders there are.
        started: how many were started.
        problems: an error message for each that failed to start.
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
        """Start the first render in the next turn of Qt's event loop."""
        self._announce()

    def cancel(self) -> None:
        """Start no more renders. Those already started continue."""
        if self._waiting:
            self._waiting.clear()
            self._timer.stop()
            self.ended.emit()

    def _step(self) -> None:
        planned = self._waiting.popleft()
        try:
            self._start(planned)
            self.started += 1
        except Exception as error:  # noqa: BLE001  Katana's errors are undocumented; the other renders must start
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
