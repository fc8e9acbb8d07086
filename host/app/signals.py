"""Lets SIGINT and SIGTERM end Qt's loop at once, instead of at the next time Python gets a turn."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

from PySide6.QtCore import QObject, QSocketNotifier


class SignalQuitter(QObject):
    """While it lives, the first SIGINT or SIGTERM calls `quit_program(number)` on Qt's thread."""

    def __init__(self, quit_program: Callable[[int], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._quit = quit_program
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno())
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_signal)

    def close(self) -> None:
        """Restore the previous signal handlers."""
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._notifier.setEnabled(False)
        self._reader.close()
        self._writer.close()

    @staticmethod
    def _note(number: int, frame: object) -> None:
        """Do nothing: replaces Python's default handler, as the number arrives through the wake-up socket."""
        del number, frame

    def _on_signal(self) -> None:
        for number in self._reader.recv(64):
            if number in (signal.SIGINT, signal.SIGTERM):
                self._quit(number)
                return
