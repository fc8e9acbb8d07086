"""A thread that runs functions in order. An exception of one is logged, and the next is run."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger("Katana.Window")


class Worker:
    """Runs functions in order on a thread of its own, until it is closed."""

    def __init__(self, name: str) -> None:
        self._closed = False
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, work: Callable[[], None]) -> None:
        """Run `work` after all that was put before. Returns at once; any thread."""
        self._work.put(work)

    def close(self, timeout_s: float | None = None) -> None:
        """End the thread after what was put before, and wait for it, for at most `timeout_s` seconds."""
        self._closed = True
        self._work.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except (Exception, SystemExit) as error:  # noqa: BLE001  one failure must not end all that comes after it
                # As the desktop closes, Qt may have deleted the object that `work` emits a signal of.
                level = logging.DEBUG if self._closed else logging.ERROR
                _log.log(
                    level,
                    "An unexpected error in %s: %s: %s",
                    self._thread.name,
                    type(error).__name__,
                    error,
                    exc_info=True,
                )
