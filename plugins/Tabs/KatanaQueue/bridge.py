"""Brings changes and results from the threads of kq and of farms to Qt's thread.

Only this module's code runs on those threads; everything else in the tab is called on Qt's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from ....kq.api import (
    AgentRecord,
    ConnectionStatus,
    Farm,
    FarmChange,
    JobRecord,
    KqError,
    QueueChange,
    QueueClient,
    QueueRecord,
)
from ...qt_dispatch import open_dispatcher, post

__all__ = ["QueueBridge", "with_jobs"]

FRAME_MS = 16
"""Minimum time between two `changed` signals: one frame at 60 Hz."""
MAX_JOBS = 10_000
"""Most jobs in one change, except in a snapshot; more would be felt as a pause."""

_Result = TypeVar("_Result")


class QueueBridge(QObject):
    """Emits the changes of the queue and of farms on Qt's thread, merged into one per frame.

    Public methods: Qt's thread.

    Signals:
        changed(QueueChange): the merged changes, at most once in FRAME_MS.
    """

    changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._pending = _Pending()
        self._farm_jobs: dict[str, JobRecord] = {}
        """All jobs on farms, by id. They are added to each snapshot, which would otherwise remove them."""
        self._status, self._message = ConnectionStatus.STARTING, ""
        self._posted = False
        self._last_s = 0.0
        self._listening: list[Callable[[], None]] = []  # removes each listener; empty: not listening
        # If Qt deletes the tab without closing it, the queue must not keep a reference to it.
        self.destroyed.connect(partial(_stop_listening, self._listening))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._deliver)
        open_dispatcher()

    def attach(self, client: QueueClient, farms: Iterable[Farm] = ()) -> None:
        """Listen to `client` and `farms` instead of those before."""
        self.detach()
        with self._lock:
            self._pending = _Pending()
            self._farm_jobs.clear()
        self._listening.append(client.add_listener(self._on_change))
        self._listening.extend(farm.add_listener(self._on_farm_change) for farm in farms)

    @property
    def is_attached(self) -> bool:
        """Whether it listens to a queue."""
        return bool(self._listening)

    def detach(self) -> None:
        """Stop listening; `attach` starts it again."""
        _stop_listening(self._listening)

    def watch(
        self,
        future: Future[_Result],
        done: Callable[[_Result], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Call a function on Qt's thread when `future` is done; none if it is cancelled.

        Args:
            future: may be completed on any thread.
            done: called with the result.
            failed: called with the message of a KqError. Other errors are raised on Qt's thread.
        """
        future.add_done_callback(lambda over: post(self._on_returned, over, done, failed))

    def _on_change(self, change: QueueChange) -> None:
        """Merge a change of the queue. kq's thread."""
        with self._lock:
            self._status, self._message = change.status, change.message
            if change.reset and self._farm_jobs:
                change = with_jobs(change, (*change.jobs, *self._farm_jobs.values()))
            self._add(change)

    def _on_farm_change(self, change: FarmChange) -> None:
        """Merge a change of a farm. The farm's thread; Qt's for the first call, in `attach`."""
        with self._lock:
            self._farm_jobs.update((job.id, job) for job in change.jobs)
            for job_id in change.removed_jobs:
                self._farm_jobs.pop(job_id, None)
            self._add(
                QueueChange(
                    status=self._status,
                    message=self._message,
                    jobs=change.jobs,
                    removed_jobs=change.removed_jobs,
                )
            )

    def _add(self, change: QueueChange) -> None:
        """Add to the pending changes and wake Qt's thread once. The caller holds the lock."""
        self._pending.add(change)
        if not self._posted:
            self._posted = True
            post(self._on_woken)

    def _on_woken(self) -> None:
        wait_ms = FRAME_MS - int((time.monotonic() - self._last_s) * 1000)
        if wait_ms > 0:
            self._timer.start(wait_ms)
        else:
            self._deliver()

    def _deliver(self) -> None:
        self._last_s = time.monotonic()
        with self._lock:
            change = self._pending.take()
            self._posted = not self._pending.is_empty
        if change is not None:
            self.changed.emit(change)
        if self._posted:
            self._timer.start(FRAME_MS)

    def _on_returned(
        self,
        future: Future[Any],
        done: Callable[[Any], None] | None,
        failed: Callable[[str], None] | None,
    ) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if done is not None:
                done(future.result())
        elif isinstance(error, KqError):
            if failed is not None:
                failed(str(error))
        else:
            raise error


def with_jobs(change: QueueChange, jobs: tuple[JobRecord, ...]) -> QueueChange:
    """Return `change` with `jobs` in place of its jobs."""
    values = {name: getattr(change, name) for name in QueueChange.__struct_fields__}
    return QueueChange(**{**values, "jobs": jobs})


def _stop_listening(listening: list[Callable[[], None]], _destroyed: object = None) -> None:
    while listening:
        listening.pop()()


class _Pending:
    """Changes that were not emitted yet, merged into one. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._last: QueueChange | None = None
        self._is_reset = False
        self._jobs: dict[str, JobRecord] = {}
        self._removed_jobs: set[str] = set()
        self._agents: dict[str, AgentRecord] = {}
        self._removed_agents: set[str] = set()
        self._queue: QueueRecord | None = None

    def add(self, change: QueueChange) -> None:
        if change.reset:  # a snapshot replaces all earlier changes
            self._forget()
        self._last = change
        self._is_reset = self._is_reset or change.reset
        for job_id in change.removed_jobs:
            self._jobs.pop(job_id, None)
            self._removed_jobs.add(job_id)
        for job in change.jobs:
            self._jobs[job.id] = job
            self._removed_jobs.discard(job.id)
        for agent_id in change.removed_agents:
            self._agents.pop(agent_id, None)
            self._removed_agents.add(agent_id)
        for agent in change.agents:
            self._agents[agent.id] = agent
            self._removed_agents.discard(agent.id)
        if change.queue is not None:
            self._queue = change.queue

    @property
    def is_empty(self) -> bool:
        return self._last is None

    def take(self) -> QueueChange | None:
        """Return all in one change, or with the first MAX_JOBS jobs, and keep the rest; None: nothing."""
        if self._last is None:
            return None
        rest: dict[str, JobRecord] = {}
        if len(self._jobs) > MAX_JOBS and not self._is_reset:
            everything = list(self._jobs.items())
            self._jobs, rest = dict(everything[:MAX_JOBS]), dict(everything[MAX_JOBS:])
        status: ConnectionStatus = self._last.status
        change = QueueChange(
            status=status,
            message=self._last.message,
            jobs=tuple(self._jobs.values()),
            removed_jobs=tuple(self._removed_jobs),
            agents=tuple(self._agents.values()),
            removed_agents=tuple(self._removed_agents),
            queue=self._queue,
            reset=self._is_reset,
        )
        self._forget()
        if rest:
            self._jobs, self._last = rest, change
        return change
