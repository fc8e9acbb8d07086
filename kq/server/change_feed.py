"""Publishes changes to clients: at once after a quiet moment, else gathered, some thirty times a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..change_set import ChangeSet
from ..core import Core
from ..messages import ChangesEvent
from ..rate_limit import Pace
from ..records import QueueRecord
from .pagination import pages

__all__ = ["ChangeFeed"]

_FLUSH_S, _AT_ONCE = 0.033, 4
"""A stop, say, is two changes within milliseconds: that it was requested, and that it is done."""
_HEARTBEAT_S = 2.0
_JOBS_PAGE_SIZE = 500
_REMOVED_PAGE_SIZE = 50_000


class ChangeFeed:
    """Gathers what changed. A job that changed ten times is published once, as it is then."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.sequence = 0
        self._changes = ChangeSet()
        self._problem = ""
        self._last = 0.0
        self._pace = Pace(_FLUSH_S, _AT_ONCE)

    def job_changed(self, job_id: str) -> None:
        """A job's record is new, or different."""
        self._changes.jobs.change(job_id)

    def job_removed(self, job_id: str) -> None:
        """A job is forgotten."""
        self._changes.jobs.remove(job_id)

    def agent_changed(self, agent_id: str) -> None:
        """An Agent's record is new, or different."""
        self._changes.agents.change(agent_id)

    def agent_removed(self, agent_id: str) -> None:
        """An Agent is forgotten."""
        self._changes.agents.remove(agent_id)

    def queue_changed(self) -> None:
        """The queue's record is different."""
        self._changes.queue = True

    def set_problem(self, message: str) -> None:
        """Show what is wrong with the server itself; empty: nothing."""
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
        """Seconds until `take` has something to send."""
        return self._pace.wait_s(now) if self._changes else max(self._last + _HEARTBEAT_S - now, 0.0)

    def take(self, now: float) -> Iterator[ChangesEvent]:
        """The messages to publish now; one without content after two seconds without changes."""
        if self.due_in_s(now) > 0:
            return
        self._last = now
        self._pace.used(now)
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
