"""A QObject with a thread that reads files, which may hang on a slow share. What is read lives elsewhere.

The desktop never waits for the thread: not when it is ended, nor when Qt deletes the object.
"""

from __future__ import annotations

import threading
from functools import partial

from PySide6.QtCore import QObject, QTimer

from ....qt_dispatch import open_dispatcher

__all__ = ["FileThread"]

_POLL_INTERVAL_MS = 50


class FileThread(QObject):
    """Base of what works on a thread. Public methods: Qt's thread.

    A subclass's `_run` works on the thread until `_ending` is set. It waits on `_condition`, which
    guards what both threads use, and calls `_start` after each request.
    """

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        open_dispatcher()
        self._name = name
        self._thread: threading.Thread | None = None
        self._condition = threading.Condition()
        self._ending = threading.Event()
        # When Qt has deleted this object, the two are all that is left of it.
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
        """After `close`: take up where it was."""
        if self._ending.is_set() and not self.wait(0.0):
            self._resume_soon.start()  # it hangs on a share still
        elif self._ending.is_set():
            self._ending.clear()
            self._start()

    def wait(self, timeout_s: float) -> bool:
        """Whether the thread is gone, `timeout_s` after at most."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _start(self) -> None:
        if self._ending.is_set():
            return  # closed: `resume` does what was asked for meanwhile
        if self._thread is None or not self._thread.is_alive():
            # Daemon: a read that hangs on a share must not keep the desktop from quitting.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """On the thread."""
        raise NotImplementedError


def _end(condition: threading.Condition, ending: threading.Event, _destroyed: object = None) -> None:
    with condition:
        ending.set()
        condition.notify()
