"""Tells when a job that ran long is over: by the tab's notice, and the system's tray where there is one."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from ....kq.api import JobRecord, JobState
from ...ui.icons import state_pixmap
from .models.columns import elapsed_s
from .models.completion_summary import CompletionSummary, Message

__all__ = ["LONG_ENOUGH_S", "Notifier"]

LONG_ENOUGH_S = 60.0
"""Somebody who waits for less has not looked away."""
LOOK_MS, MAX_LOOKS = 100, 10
"""How often to look whether the tray has placed the icon."""


class Notifier(QObject):
    """Signals:
    noticed(str): a sentence for people.
    """

    noticed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.is_on = True
        self._tray: QSystemTrayIcon | None = None
        self._summary = CompletionSummary()
        self._message = Message("", False)
        self._looks = 0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(LOOK_MS)
        self._again.timeout.connect(self._tell_tray)

    def observe(self, news: Iterable[tuple[JobRecord, JobRecord | None]]) -> None:
        """Look which jobs ended; `news` has each as it is now, and as it was before."""
        if not self.is_on:
            return
        ended = [job for job, before in news if _ended_long(job, before)]
        if not ended:
            return
        message = self._summary.add(ended, time.monotonic())
        self.noticed.emit(message.message)
        self._show(message)

    def _show(self, message: Message) -> None:
        if not QSystemTrayIcon.isSystemTrayAvailable():
            return
        if self._tray is None:
            icon = QApplication.windowIcon()
            if icon.isNull():  # without one the tray shows nothing, and Qt complains
                icon = QIcon(state_pixmap("Running", QApplication.palette(), 2.0, 32))
            self._tray = QSystemTrayIcon(icon, self)
            self._tray.setToolTip("Katana Queue")
        self._tray.show()
        self._message = message
        self._looks = 0
        self._tell_tray()

    def _tell_tray(self) -> None:
        """Once the icon has its place: before, X11 would show the message in a corner of the screen."""
        if self._tray is None:
            return
        # At first it is said to be in that corner; other systems never say where.
        if self._tray.geometry().topLeft().isNull() and self._looks < MAX_LOOKS:
            self._looks += 1
            self._again.start()
            return
        icons = QSystemTrayIcon.MessageIcon
        kind = icons.Warning if self._message.has_failed else icons.Information
        self._tray.showMessage("Katana Queue", self._message.message, kind)


def _ended_long(job: JobRecord, before: JobRecord | None) -> bool:
    if not job.state.is_terminal or before is None or before.state.is_terminal:
        return False
    if job.state == JobState.CANCELLED:
        return False  # whoever stopped it knows
    return (elapsed_s(job, 0.0) or 0.0) >= LONG_ENOUGH_S
