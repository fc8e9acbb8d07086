"""Posts calls from any thread to Qt's thread, safely for receivers that Qt may delete.

To emit a widget's signal from another thread crashes when Qt deletes the widget meanwhile. The dispatcher
lives as long as the process, and checks on Qt's thread whether the receiver still exists.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal, Slot

__all__ = ["open_dispatcher", "post", "when_done"]


class _Dispatcher(QObject):
    """Lives on Qt's thread and runs calls that `post` queues from any thread, until `close`."""

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._is_open = True
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)
        # Closed before PySide's clean-up at exit deletes this object.
        atexit.register(self.close)

    def post(self, call: tuple[weakref.ref[QObject], Callable[..., object], tuple[Any, ...]]) -> None:
        with self._lock:
            if self._is_open:
                self._posted.emit(call)

    def run(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

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
    """Create the dispatcher that `post` needs, once per process. Qt's thread, before any call of `post`."""
    global _dispatcher  # shared by the whole process
    if _dispatcher is None:
        _dispatcher = _Dispatcher()


def post(method: Callable[..., object], *arguments: Any) -> None:
    """Call a method on Qt's thread, in a later turn of its event loop. Any thread; returns at once.

    Args:
        method: a bound method of a QObject. It is not called if the object has been deleted by then.
        arguments: its arguments.
    """
    if _dispatcher is not None:
        receiver: QObject = method.__self__  # type: ignore[attr-defined]  # a bound method
        function: Callable[..., object] = method.__func__  # type: ignore[attr-defined]  # a bound method
        _dispatcher.post((weakref.ref(receiver), function, arguments))


def when_done(future: Future[Any], call: Callable[[Future[Any]], object]) -> None:
    """Call `call(future)` on Qt's thread when `future` is done. Qt's thread.

    For what no widget waits for; a widget uses `post`, whose call ends with it.
    """
    open_dispatcher()
    assert _dispatcher is not None
    run = _dispatcher.run
    future.add_done_callback(lambda over: post(run, call, over))
