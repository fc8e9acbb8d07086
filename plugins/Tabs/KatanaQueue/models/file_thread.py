"""The base class of QObjects with a worker thread that reads files, which may hang on a slow share.

Qt's thread never waits for it: neither in `close` nor when Qt deletes the object.
"""

from __future__ import annotations

import threading
from functools import partial

from PySide6.QtCore import QObject, QTimer

from ....qt_dispatch import open_dispatcher

__all__ = ["FileThread"]

_POLL_INTERVAL_MS = 50


class FileThread(QObject):
    """Owns a worker thread, which is started at the first request. Public methods: Qt's thread.

    A subclass's `_run` runs on the thread until `_ending` is set, and waits on `_condition`, which guards
    the data of both threads. Its request methods call `_start`.
    """

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        open_dispatcher()
        self._name = name
        self._thread: threading.Thread | None = None
        self._condition = threading.Condition()
        self._ending = threading.Event()
        # Binds only these two, not `self`, which is deleted by the time that the signal arrives.
        self.destroyed.connect(partial(_end, self._condition, self._ending))
        self._resume_soon = QTimer(self)
        self._resume_soon.setSingleShot(True)
        self._resume_soon.setInterval(_POLL_INTERVAL_MS)
        self._resume_soon.timeout.connect(self.resume)

    def close(self) -> None:
        """End the thread. Returns at once: the thread may hang on a share."""
        self._resume_soon.stop()
        _end(self._condition, self._ending)

    def resume(self) -> None:
        """Undo `close`: start the thread again, which serves the requests made meanwhile."""
        if self._ending.is_set() and not self.wait(0.0):
            self._resume_soon.start()  # the old thread still hangs on a share: try again later
        elif self._ending.is_set():
            self._ending.clear()
            self._start()

    def wait(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` seconds for the thread to end. Returns whether it has."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _start(self) -> None:
        if self._ending.is_set():
            return  # closed: the request is served after `resume`
        if self._thread is None or not self._thread.is_alive():
            # Daemon: a read that hangs on a share must not keep the desktop from quitting.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Serve requests on the worker thread until `_ending` is set."""
        raise NotImplementedError


def _end(condition: threading.Condition, ending: threading.Event, _destroyed: object = None) -> None:
    with condition:
        ending.set()
        condition.notify()
