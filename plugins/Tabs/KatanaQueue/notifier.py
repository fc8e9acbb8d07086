"""Notifies the artist when a long job ends, in the tab's notice and in the system tray if there is one."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from ....kq.api import JobRecord, JobState, elapsed_s
from ...ui.icons import state_pixmap
from .models.completion_summary import CompletionSummary, Message

__all__ = ["LONG_ENOUGH_S", "Notifier"]

LONG_ENOUGH_S = 60.0
"""The shortest run time, in seconds, of a job whose end is notified."""
TRAY_POLL_MS, MAX_TRAY_POLLS = 100, 10
"""How often, and how many times, to check whether the tray has placed the icon."""


class Notifier(QObject):
    """Shows a message when long jobs complete or fail. Qt's thread.

    Signals:
        noticed(str): a message to show in the tab.

    Attributes:
        is_on: whether to notify at all.
    """

    noticed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.is_on = True
        self._tray: QSystemTrayIcon | None = None
        self._summary = CompletionSummary()
        self._message = Message("", False)
        self._polls = 0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(TRAY_POLL_MS)
        self._again.timeout.connect(self._show_in_tray)

    def observe(self, pairs: Iterable[tuple[JobRecord, JobRecord | None]]) -> None:
        """Notify of the long jobs in `pairs` that have ended.

        Args:
            pairs: pairs of a changed job's new and old record; the old one is None for a new job.
        """
        if not self.is_on:
            return
        ended = [job for job, before in pairs if _ended_long(job, before)]
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
            if icon.isNull():  # without an icon the tray shows nothing, and Qt complains
                icon = QIcon(state_pixmap(JobState.RUNNING, QApplication.palette(), 2.0, 32))
            self._tray = QSystemTrayIcon(icon, self)
            self._tray.setToolTip("Katana Queue")
        self._tray.show()
        self._message = message
        self._polls = 0
        self._show_in_tray()

    def _show_in_tray(self) -> None:
        """Show the message once the tray has placed the icon: before, X11 shows it in a screen corner."""
        if self._tray is None:
            return
        # X11 reports position 0, 0 at first; other systems never report another one.
        if self._tray.geometry().topLeft().isNull() and self._polls < MAX_TRAY_POLLS:
            self._polls += 1
            self._again.start()
            return
        icons = QSystemTrayIcon.MessageIcon
        kind = icons.Warning if self._message.has_failed else icons.Information
        self._tray.showMessage("Katana Queue", self._message.message, kind)


def _ended_long(job: JobRecord, before: JobRecord | None) -> bool:
    if not job.state.is_terminal or before is None or before.state.is_terminal:
        return False
    if job.state == JobState.CANCELLED:
        return False  # the artist stopped it
    elapsed = elapsed_s(job, 0.0)
    if elapsed is None:
        return job.started is not None  # how long it ran is not known: its farm lost the end
    return elapsed >= LONG_ENOUGH_S
