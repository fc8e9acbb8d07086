"""Notifies listeners of changes: how often, how many at a time, and with rests in between. No socket."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..rate_limit import Pace
from .mirror import ConnectionStatus, Mirror, QueueChange

__all__ = ["Listener", "Listeners", "Rests"]

_FLUSH_S, _AT_ONCE = 0.033, 4
_WORK_S, _REST_S = 0.001, 0.0005
_JOBS_PAGE_SIZE = 1000
"""Jobs in one change, which listeners take in without a pause."""
_log = logging.getLogger("kq.client")

Listener = Callable[[QueueChange], None]


class Rests:
    """Lets a thread rest for a moment after each millisecond of work.

    Python runs one thread at a time, and one that comes back at once keeps it: in a program with a window
    each call that Qt makes to Python would wait for Python's switch interval of 5 ms.
    """

    def __init__(self) -> None:
        self._rested_s = 0.0

    def begin(self) -> None:
        """The thread has waited, and works from now on."""
        self._rested_s = time.monotonic()

    def after_a_piece(self) -> None:
        """A piece of work is done."""
        if time.monotonic() - self._rested_s >= _WORK_S:
            time.sleep(_REST_S)
            self._rested_s = time.monotonic()


class Listeners:
    """All methods on the client's thread."""

    def __init__(self, mirror: Mirror, lock: threading.Lock, rests: Rests) -> None:
        """`lock` guards `mirror`."""
        self._mirror, self._lock, self._rests = mirror, lock, rests
        self._known_status: tuple[ConnectionStatus, str] | None = None
        self._all: list[Listener] = []
        self._fresh: list[Listener] = []
        self._pace = Pace(_FLUSH_S, _AT_ONCE)

    def add(self, listener: Listener) -> None:
        """Its first call comes soon, with everything known."""
        self._fresh.append(listener)

    def discard(self, listener: Listener) -> None:
        """It is called no more."""
        for listeners in (self._all, self._fresh):
            if listener in listeners:
                listeners.remove(listener)

    def due_in_s(self, status: tuple[ConnectionStatus, str]) -> float | None:
        """Seconds until `notify` has something to pass on; None: nothing."""
        if self._fresh or self._mirror.is_untold or self._known_status != status:
            return self._pace.wait_s(time.monotonic())
        return None

    def notify(self, status: tuple[ConnectionStatus, str]) -> None:
        """Pass on what is due, in parts when it is much."""
        if self.due_in_s(status) != 0:
            return
        self._pace.used(time.monotonic())
        while self._mirror.is_untold or self._known_status != status:
            with self._lock:
                change = self._mirror.take_change(*status, most=_JOBS_PAGE_SIZE)
            self._known_status = status
            for listener in self._all:
                _call(listener, change)
            self._rests.after_a_piece()
        fresh, self._fresh = self._fresh, []
        if fresh:
            with self._lock:
                everything = self._mirror.everything(*status)
            for listener in fresh:
                _call(listener, everything)
            self._all += fresh


def _call(listener: Listener, change: QueueChange) -> None:
    try:
        listener(change)
    except Exception:  # noqa: BLE001  # whatever it raises must not end the thread that all depend on
        _log.exception("a listener of the queue failed")
