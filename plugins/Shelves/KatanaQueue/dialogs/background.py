"""Runs one call at a time on a worker thread, and posts its reports to Qt's thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from ....qt_dispatch import open_dispatcher, post

__all__ = ["Background"]

_log = logging.getLogger("KatanaQueue")


class Background(QObject):
    """Runs one call at a time on a worker thread. Its methods are called on Qt's thread.

    Signals, emitted on Qt's thread:
        reported(object): what the call reported.
        ended(str): the call has returned; the error message if it raised, else empty.
    """

    reported = Signal(object)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cancelled: threading.Event | None = None
        self._thread: threading.Thread | None = None
        open_dispatcher()

    @property
    def is_busy(self) -> bool:
        """Whether a call is running."""
        return self._cancelled is not None

    def run(self, call: Callable[[Callable[[Any], None], threading.Event], None]) -> None:
        """Call `call(report, cancelled)` on a new thread; do nothing if a call is running.

        Args:
            call: passes each result to `report`, and should return soon after `cancelled` is set.
        """
        if self.is_busy:
            return
        cancelled = self._cancelled = threading.Event()
        # Daemon: a connection that hangs must not keep the desktop from quitting.
        self._thread = threading.Thread(
            target=self._run, args=(call, cancelled), name="kq-remote-dialog", daemon=True
        )
        self._thread.start()

    def cancel(self) -> None:
        """Set the running call's `cancelled` event. Returns at once."""
        if self._cancelled is not None:
            self._cancelled.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` seconds for the thread to end. Returns whether it has."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _run(
        self, call: Callable[[Callable[[Any], None], threading.Event], None], cancelled: threading.Event
    ) -> None:
        message = ""
        try:
            call(self._report, cancelled)
        except Exception as error:  # noqa: BLE001  any error is shown in the dialog, and logged
            message = f"{error}" or type(error).__name__
            _log.debug("a remote step failed", exc_info=True)
        post(self._on_ended, message)

    def _report(self, what: Any) -> None:
        post(self._on_reported, what)

    def _on_reported(self, what: Any) -> None:
        self.reported.emit(what)

    def _on_ended(self, message: str) -> None:
        self._cancelled = None
        self.ended.emit(message)
