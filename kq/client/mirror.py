"""What a client knows of the queue: records by id, kept up to date by events. Not thread-safe, no socket."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ..change_set import ChangeSet
from ..messages import ChangesEvent, SnapshotReply
from ..records import AgentRecord, JobRecord, QueueRecord

__all__ = ["ConnectionStatus", "Mirror", "QueueChange"]


class ConnectionStatus(StrEnum):
    """How much what a client shows can be believed."""

    STARTING = "Starting"
    """No server has answered yet."""
    CONNECTED = "Connected"
    """What is shown is true."""
    LOST = "Lost"
    """It was true once; the client tries to reach the server."""
    ENDED = "Ended"
    """The session is over, or could not be started; nothing more will come."""


class QueueChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since the change before."""

    status: ConnectionStatus
    message: str
    """What is wrong, or under way, for people; often empty."""
    jobs: tuple[JobRecord, ...] = ()
    removed_jobs: tuple[str, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    removed_agents: tuple[str, ...] = ()
    queue: QueueRecord | None = None
    reset: bool = False
    """This is everything: forget what you had."""


class Mirror:
    """The records, and which of them changed since listeners were notified."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobRecord] = {}
        self.agents: dict[str, AgentRecord] = {}
        self.queue = QueueRecord()
        self.sequence: int | None = None
        """Of the last event applied; None before the first snapshot."""
        self._first_page: SnapshotReply | None = None
        self._coming: dict[str, JobRecord] = {}
        """The jobs of a snapshot that is on its way."""
        self._early: list[ChangesEvent] = []
        """Events that came while a snapshot was on its way."""
        self._changes = ChangeSet()
        self._reset = False

    def put_provisional(self, record: JobRecord) -> None:
        """Show a job that was submitted and is not confirmed yet."""
        if record.id not in self.jobs:
            self.jobs[record.id] = record
            self._changes.jobs.change(record.id)

    def drop_provisional(self, job_id: str) -> None:
        """The submission was refused."""
        if self.jobs.pop(job_id, None) is not None:
            self._changes.jobs.remove(job_id)

    def take_page(self, page: SnapshotReply, provisional: frozenset[str]) -> bool:
        """Take a page of a snapshot; returns True when it was the last and all of it counts now.

        `provisional` jobs stay though the snapshot does not hold them.
        """
        first = self._first_page = self._first_page or page
        # Page by page: a loop over all jobs would hold up every other thread of the program.
        self._coming.update((record.id, record) for record in page.jobs)
        if page.more:
            return False
        for job_id in provisional:
            if job_id in self.jobs:
                self._coming.setdefault(job_id, self.jobs[job_id])
        self.jobs = self._coming
        self.agents = {record.id: record for record in first.agents}
        self.queue = page.queue
        self.sequence = first.sequence
        self._first_page, self._coming = None, {}
        self._reset = True
        early, self._early = self._early, []
        for event in early:
            if event.sequence > self.sequence:
                self.apply(event)
        return True

    def forget_pages(self) -> None:
        """A snapshot that was on its way will not be completed."""
        self._first_page, self._coming, self._early = None, {}, []
        self.sequence = None

    def apply(self, event: ChangesEvent) -> bool:
        """Apply an event; returns False when one before it was missed: then a snapshot is needed."""
        if self.sequence is None:
            self._early.append(event)
            return True
        if event.sequence <= self.sequence:
            return True
        if event.sequence != self.sequence + 1:
            return False
        self.sequence = event.sequence
        for record in event.jobs:
            self.jobs[record.id] = record
            self._changes.jobs.change(record.id)
        for job_id in event.removed_jobs:
            self.jobs.pop(job_id, None)
            self._changes.jobs.remove(job_id)
        for agent in event.agents:
            self.agents[agent.id] = agent
            self._changes.agents.change(agent.id)
        for agent_id in event.removed_agents:
            self.agents.pop(agent_id, None)
            self._changes.agents.remove(agent_id)
        if event.queue is not None:
            self.queue = event.queue
            self._changes.queue = True
        return True

    def take_change(self, status: ConnectionStatus, message: str, most: int) -> QueueChange:
        """What changed since the last call.

        Unless it is everything: at most `most` jobs, and as many that were removed.
        """
        if self._reset:
            self._reset = False
            self._changes.clear()
            return self.everything(status, message)
        changes = self._changes
        return QueueChange(
            status=status,
            message=message,
            jobs=tuple(self.jobs[each] for each in changes.jobs.take_changed(most)),
            removed_jobs=tuple(changes.jobs.take_removed(most)),
            agents=tuple(self.agents[each] for each in changes.agents.take_changed()),
            removed_agents=tuple(changes.agents.take_removed()),
            queue=self.queue if changes.take_queue() else None,
        )

    @property
    def is_untold(self) -> bool:
        """Whether `take_change` would hold something."""
        return self._reset or bool(self._changes)

    def everything(self, status: ConnectionStatus, message: str) -> QueueChange:
        """All that is known."""
        return QueueChange(
            status=status,
            message=message,
            jobs=tuple(self.jobs.values()),
            agents=tuple(self.agents.values()),
            queue=self.queue,
            reset=True,
        )
