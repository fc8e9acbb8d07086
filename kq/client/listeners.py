"""Notifies listeners of changes, with limits on rate, size and CPU time. Uses no socket."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..rate_limit import RateLimit
from .mirror import ConnectionStatus, Mirror, QueueChange

__all__ = ["GilYield", "Listener", "Listeners"]

_FLUSH_S, _AT_ONCE = 0.033, 4
_WORK_S, _REST_S = 0.001, 0.0005
_JOBS_PAGE_SIZE = 1000
"""Most jobs in one change: a listener handles them without a pause for other threads."""
_log = logging.getLogger("kq.client")

Listener = Callable[[QueueChange], None]


class GilYield:
    """Makes a busy thread sleep for 0.5 ms after each millisecond of work.

    A busy thread keeps the GIL for Python's switch interval of 5 ms: without the sleeps each call from Qt
    into Python would wait that long.
    """

    def __init__(self) -> None:
        self._woke_s = 0.0

    def begin(self) -> None:
        """Start to count: the thread works from now on."""
        self._woke_s = time.monotonic()

    def yield_if_due(self) -> None:
        """Sleep if the thread has worked for a millisecond. To be called after each item of work."""
        if time.monotonic() - self._woke_s >= _WORK_S:
            time.sleep(_REST_S)
            self._woke_s = time.monotonic()


class Listeners:
    """The listeners of one client. All methods are called on the client's thread."""

    def __init__(self, mirror: Mirror, lock: threading.Lock, gil_yield: GilYield) -> None:
        """`lock` guards `mirror`."""
        self._mirror, self._lock, self._gil_yield = mirror, lock, gil_yield
        self._known_status: tuple[ConnectionStatus, str] | None = None
        self._all: list[Listener] = []
        self._new: list[Listener] = []
        self._pace = RateLimit(_FLUSH_S, _AT_ONCE)

    def add(self, listener: Listener) -> None:
        """Add a listener. The next `notify` calls it with all records (`reset`)."""
        self._new.append(listener)

    def discard(self, listener: Listener) -> None:
        """Remove a listener, if it is one: it is not called again."""
        for listeners in (self._all, self._new):
            if listener in listeners:
                listeners.remove(listener)

    def due_in_s(self, status: tuple[ConnectionStatus, str]) -> float | None:
        """Seconds until `notify` is due; None when there is nothing to report."""
        if self._new or self._mirror.has_unreported_changes or self._known_status != status:
            return self._pace.wait_s(time.monotonic())
        return None

    def notify(self, status: tuple[ConnectionStatus, str]) -> None:
        """If due, call the listeners with what has changed, at most 1000 jobs to a call."""
        if self.due_in_s(status) != 0:
            return
        self._pace.record_use(time.monotonic())
        while self._mirror.has_unreported_changes or self._known_status != status:
            with self._lock:
                change = self._mirror.take_change(*status, most=_JOBS_PAGE_SIZE)
            self._known_status = status
            for listener in self._all:
                _call(listener, change)
            self._gil_yield.yield_if_due()
        fresh, self._new = self._new, []
        if fresh:
            with self._lock:
                full_change = self._mirror.full_change(*status)
            for listener in fresh:
                _call(listener, full_change)
            self._all += fresh


def _call(listener: Listener, change: QueueChange) -> None:
    try:
        listener(change)
    except Exception:  # noqa: BLE001  # a listener's error must not end the client's thread
        _log.exception("a listener of the queue failed")
