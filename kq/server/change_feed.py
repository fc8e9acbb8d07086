"""Publishes changes to clients: the first few at once, then in batches, about thirty a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..change_set import ChangeSet
from ..core import Core
from ..messages import ChangesEvent
from ..rate_limit import RateLimit
from ..records import QueueRecord
from .pagination import pages

__all__ = ["ChangeFeed"]

_FLUSH_S, _AT_ONCE = 0.033, 4
"""Seconds between batches, and how many are sent at once: a stop makes two changes within milliseconds."""
_HEARTBEAT_S = 2.0
_JOBS_PAGE_SIZE = 500
_REMOVED_PAGE_SIZE = 50_000


class ChangeFeed:
    """Collects changes. A job that changed ten times is published once, in its last state."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.sequence = 0
        """The number of the last message; clients detect lost ones by it."""
        self._changes = ChangeSet()
        self._problem = ""
        self._last = 0.0
        self._pace = RateLimit(_FLUSH_S, _AT_ONCE)

    def job_changed(self, job_id: str) -> None:
        """Publish a job's new or changed record at the next `take`."""
        self._changes.jobs.change(job_id)

    def job_removed(self, job_id: str) -> None:
        """Publish the removal of a job."""
        self._changes.jobs.remove(job_id)

    def agent_changed(self, agent_id: str) -> None:
        """Publish an Agent's new or changed record."""
        self._changes.agents.change(agent_id)

    def agent_removed(self, agent_id: str) -> None:
        """Publish the removal of an Agent."""
        self._changes.agents.remove(agent_id)

    def queue_changed(self) -> None:
        """Publish the queue's changed record."""
        self._changes.queue = True

    def set_problem(self, message: str) -> None:
        """Set the server's own problem, as shown to users; empty for none."""
        self._problem = message
        self._changes.queue = True

    def queue_record(self) -> QueueRecord:
        """The queue as a whole, with the problems of the core and of the server."""
        record = self._core.queue_record()
        if not self._problem:
            return record
        problem = f"{self._problem}; {record.problem}" if record.problem else self._problem
        return msgspec.structs.replace(record, problem=problem)

    def due_in_s(self, now: float) -> float:
        """Seconds until `take` has something to send. `now`: monotonic seconds."""
        return self._pace.wait_s(now) if self._changes else max(self._last + _HEARTBEAT_S - now, 0.0)

    def take(self, now: float) -> Iterator[ChangesEvent]:
        """Yield the messages to publish now; after _HEARTBEAT_S without changes, an empty one."""
        if self.due_in_s(now) > 0:
            return
        self._last = now
        self._pace.record_use(now)
        core, changes = self._core, self._changes
        jobs = pages(
            (core.job_record(each) for each in changes.jobs.take_changed() if core.has_job(each)),
            _JOBS_PAGE_SIZE,
        )
        agents = [each for each in changes.agents.take_changed() if core.agent(each) is not None]
        yield self._next_event(
            jobs=next(jobs),
            agents=tuple(map(core.agent_record, agents)),
            removed_agents=tuple(changes.agents.take_removed()),
            queue=self.queue_record() if changes.take_queue() else None,
        )
        for page in jobs:
            yield self._next_event(jobs=page)
        while removed := changes.jobs.take_removed(_REMOVED_PAGE_SIZE):
            yield self._next_event(removed_jobs=tuple(removed))

    def _next_event(self, **content: Any) -> ChangesEvent:
        self.sequence += 1
        return ChangesEvent(sequence=self.sequence, **content)
