"""What clients are told: changes, at once after a quiet moment, else gathered, some thirty times a second."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..core import Core
from ..messages import ChangesEvent
from ..rate_limit import Pace
from ..records import QueueRecord
from .pagination import pages

__all__ = ["ChangeFeed"]

_FLUSH_S, _AT_ONCE = 0.033, 4
"""A stop, say, is two changes within milliseconds: that it was asked for, and that it is done."""
_SIGN_OF_LIFE_S = 2.0
_JOBS_A_MESSAGE = 500
_REMOVED_A_MESSAGE = 50_000


class ChangeFeed:
    """Gathers what changed. A job that changed ten times since is told once, as it is now."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.sequence = 0
        self._jobs: dict[str, None] = {}
        self._removed_jobs: dict[str, None] = {}
        self._agents: dict[str, None] = {}
        self._removed_agents: dict[str, None] = {}
        self._queue = False
        self._problem = ""
        self._last = 0.0
        self._pace = Pace(_FLUSH_S, _AT_ONCE)

    def job_changed(self, job_id: str) -> None:
        """A job's record is another."""
        self._jobs[job_id] = None
        self._removed_jobs.pop(job_id, None)

    def job_removed(self, job_id: str) -> None:
        """A job is forgotten."""
        self._jobs.pop(job_id, None)
        self._removed_jobs[job_id] = None

    def agent_changed(self, agent_id: str) -> None:
        """An Agent's record is another."""
        self._agents[agent_id] = None
        self._removed_agents.pop(agent_id, None)

    def agent_removed(self, agent_id: str) -> None:
        """An Agent is forgotten."""
        self._agents.pop(agent_id, None)
        self._removed_agents[agent_id] = None

    def queue_changed(self) -> None:
        """The queue's record is another."""
        self._queue = True

    def set_problem(self, message: str) -> None:
        """Say what is wrong with the server itself, or (empty) that nothing is."""
        self._problem = message
        self._queue = True

    def queue_record(self) -> QueueRecord:
        """The queue as a whole: the core's troubles, and the server's own."""
        record = self._core.queue_record()
        if not self._problem:
            return record
        problem = f"{self._problem}; {record.problem}" if record.problem else self._problem
        return msgspec.structs.replace(record, problem=problem)

    @property
    def is_pending(self) -> bool:
        """Whether something is to be told."""
        return bool(self._jobs or self._agents or self._removed_jobs or self._removed_agents or self._queue)

    def due_in_s(self, now: float) -> float:
        """Seconds until `take` has something to send."""
        return self._pace.wait_s(now) if self.is_pending else max(self._last + _SIGN_OF_LIFE_S - now, 0.0)

    def take(self, now: float) -> Iterator[ChangesEvent]:
        """The messages to publish now; one without content when nothing was said for two seconds."""
        if self.due_in_s(now) > 0:
            return
        self._last = now
        self._pace.told(now)
        core = self._core
        jobs = pages(
            (core.job_record(job_id) for job_id in self._jobs if core.has_job(job_id)), _JOBS_A_MESSAGE
        )
        agent_ids = [agent_id for agent_id in self._agents if core.agent(agent_id) is not None]
        removed = list(self._removed_jobs)
        self.sequence += 1
        yield ChangesEvent(
            sequence=self.sequence,
            jobs=next(jobs),
            agents=tuple(map(core.agent_record, agent_ids)),
            removed_agents=tuple(self._removed_agents),
            queue=self.queue_record() if self._queue else None,
        )
        for page in jobs:
            self.sequence += 1
            yield ChangesEvent(sequence=self.sequence, jobs=page)
        for start in range(0, len(removed), _REMOVED_A_MESSAGE):
            self.sequence += 1
            page_of_ids = tuple(removed[start : start + _REMOVED_A_MESSAGE])
            yield ChangesEvent(sequence=self.sequence, removed_jobs=page_of_ids)
        for gathered in (self._jobs, self._removed_jobs, self._agents, self._removed_agents):
            gathered.clear()
        self._queue = False
