"""A widget that is drawn in parts, one in a turn of Qt's loop: all of a list at once takes half a frame.

Which widget it is, and what its parts are, is the widget's business.
"""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QRect, Qt, QTimer
from PySide6.QtGui import QRegion
from PySide6.QtWidgets import QWidget

__all__ = ["IncrementalPaint"]

BUDGET_S = 0.002
"""How long the drawing of one part may take."""
APART_MS = 1
"""What else waits for Qt's thread comes in between."""


class IncrementalPaint(QObject):
    """Qt's thread; `widget` owns it, and draws every point of what an event asks it to draw.

    What is not drawn yet shows the old picture, for a few hundredths of a second.
    What Qt itself wants drawn (a widget that was covered, another size, a picture of it) is drawn at once.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        widget.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # else Qt clears what is drawn later
        self._asked = QRegion()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(APART_MS)
        self._timer.timeout.connect(self._go_on)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be drawn."""
        return self._asked.isEmpty() and self._widget.updatesEnabled()

    def ask(self, part: QRect) -> None:
        """Have `part` drawn, as soon as Qt comes to it."""
        in_sight = part & self._widget.rect()  # of the rest no event comes
        self._asked += in_sight
        self._widget.update(in_sight)

    def ask_for_all(self) -> None:
        """Have everything drawn, in other turns of Qt's loop than this one."""
        # Or Qt would ask for it meanwhile.
        self._widget.setUpdatesEnabled(False)
        self._timer.start()

    def _go_on(self) -> None:
        if self._widget.updatesEnabled():
            self._widget.update(self._asked)
        else:
            self._asked = QRegion(self._widget.rect())
            self._widget.setUpdatesEnabled(True)  # which has all of it drawn

    def begin(self, region: QRegion) -> float:
        """`region` is going to be drawn; returns until when there is time for it, by `time.perf_counter`."""
        is_ours = region.subtracted(self._asked).isEmpty()
        self._asked -= region
        return time.perf_counter() + BUDGET_S if is_ours else float("inf")

    def leave(self, region: QRegion) -> None:
        """There was no time for `region`, which may be empty: another event asks for it."""
        if not region.isEmpty():
            self._asked += region
            self._timer.start()
