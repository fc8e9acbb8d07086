"""From any thread to Qt's: the one object that other threads of the plug-ins speak to. No feature lives here.

A thread that emits a signal of a widget, or of its child, crashes when Qt deletes that meanwhile. This one
lives as long as the process, and looks on Qt's own thread whether the receiver still exists.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal, Slot

__all__ = ["open_dispatcher", "post"]


class _Dispatcher(QObject):
    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._is_open = True
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)
        # Before PySide's own clean-up at exit, which deletes this too.
        atexit.register(self.close)

    def post(self, call: tuple[weakref.ref[QObject], Callable[..., object], tuple[Any, ...]]) -> None:
        with self._lock:
            if self._is_open:
                self._posted.emit(call)

    def close(self) -> None:
        with self._lock:
            self._is_open = False

    @Slot(object)
    def _on_posted(self, call: tuple[weakref.ref[QObject], Callable[..., object], tuple[Any, ...]]) -> None:
        reference, function, arguments = call
        receiver = reference()
        if receiver is not None and shiboken6.isValid(receiver):
            function(receiver, *arguments)


_dispatcher: _Dispatcher | None = None


def open_dispatcher() -> None:
    """Make sure that `post` works. Qt's thread; called before a thread is started."""
    global _dispatcher  # one for the process: see above
    if _dispatcher is None:
        _dispatcher = _Dispatcher()


def post(method: Callable[..., object], *arguments: Any) -> None:
    """Call a method of a QObject on Qt's thread, soon, unless the object is gone by then; any thread."""
    if _dispatcher is not None:
        receiver: QObject = method.__self__  # type: ignore[attr-defined]  # a bound method
        function: Callable[..., object] = method.__func__  # type: ignore[attr-defined]  # likewise
        _dispatcher.post((weakref.ref(receiver), function, arguments))
