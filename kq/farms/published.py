"""The records of a farm's jobs, shared between threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..records import JobRecord

__all__ = ["FarmChange", "PublishedJobs"]


class FarmChange(NamedTuple):
    """The records that changed since the previous change."""

    jobs: tuple[JobRecord, ...]
    removed_jobs: tuple[str, ...] = ()


Listener = Callable[[FarmChange], None]


class PublishedJobs:
    """The latest record of each job. Thread-safe; listeners are called in the order of the changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, JobRecord] = {}
        self._listeners: list[Listener] = []

    def all(self) -> list[JobRecord]:
        """Return all records, unordered."""
        with self._lock:
            return list(self._records.values())

    def get(self, job_id: str) -> JobRecord | None:
        """Return a job's record, or None."""
        with self._lock:
            return self._records.get(job_id)

    def publish(self, records: Iterable[JobRecord], removed: Iterable[str] = ()) -> None:
        """Set records, and call the listeners with those that differ from before, on this thread."""
        gone = tuple(removed)
        with self._lock:
            changed = tuple(each for each in records if self._records.get(each.id) != each)
            for each in changed:
                self._records[each.id] = each
            for job_id in gone:
                self._records.pop(job_id, None)
            if changed or gone:
                for listener in self._listeners:
                    listener(FarmChange(changed, gone))

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with changes, and at once, on this thread, with all records.

        It must not block or use this object, because it is called with the lock held.

        Returns:
            A function that removes it.
        """
        with self._lock:
            self._listeners.append(listener)
            listener(FarmChange(tuple(self._records.values())))

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove
