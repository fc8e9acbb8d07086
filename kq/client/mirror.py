"""A client's copy of the queue's records, kept up to date by events. Not thread-safe, no socket."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ..change_set import ChangeSet
from ..messages import ChangesEvent, SnapshotReply
from ..records import AgentRecord, JobRecord, QueueRecord

__all__ = ["ConnectionStatus", "Mirror", "QueueChange"]


class ConnectionStatus(StrEnum):
    """Whether a client's records are up to date."""

    STARTING = "Starting"
    """No server has answered yet."""
    CONNECTED = "Connected"
    """The records are up to date."""
    LOST = "Lost"
    """The records may be out of date; the client is trying to reach the server."""
    ENDED = "Ended"
    """The session has ended, or could not be started. Final."""


class QueueChange(msgspec.Struct, frozen=True, kw_only=True):
    """The records that changed since the previous change."""

    status: ConnectionStatus
    message: str
    """Status message for the user; often empty."""
    jobs: tuple[JobRecord, ...] = ()
    removed_jobs: tuple[str, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    removed_agents: tuple[str, ...] = ()
    queue: QueueRecord | None = None
    reset: bool = False
    """The change holds all records: discard those of earlier changes."""


class Mirror:
    """All records, and which of them changed since the last `take_change`."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobRecord] = {}
        self.agents: dict[str, AgentRecord] = {}
        self.queue = QueueRecord()
        self.sequence: int | None = None
        """Sequence number of the last event applied; None until a snapshot is complete."""
        self._first_page: SnapshotReply | None = None
        self._incoming_jobs: dict[str, JobRecord] = {}
        """Jobs of a snapshot that is not complete yet."""
        self._early_events: list[ChangesEvent] = []
        """Events received before the snapshot was complete."""
        self._changes = ChangeSet()
        self._reset = False

    def put_provisional(self, record: JobRecord) -> None:
        """Add a job that was submitted and is not confirmed yet."""
        if record.id not in self.jobs:
            self.jobs[record.id] = record
            self._changes.jobs.change(record.id)

    def drop_provisional(self, job_id: str) -> None:
        """Remove a provisional job whose submission was refused."""
        if self.jobs.pop(job_id, None) is not None:
            self._changes.jobs.remove(job_id)

    def take_page(self, page: SnapshotReply, provisional: frozenset[str]) -> bool:
        """Add a page of a snapshot; the last one replaces all records.

        Args:
            provisional: ids of jobs to keep although the snapshot may not contain them.

        Returns:
            Whether this was the last page.
        """
        first = self._first_page = self._first_page or page
        # Page by page: a loop over all jobs would hold up every other thread of the program.
        self._incoming_jobs.update((record.id, record) for record in page.jobs)
        if page.more:
            return False
        for job_id in provisional:
            if job_id in self.jobs:
                self._incoming_jobs.setdefault(job_id, self.jobs[job_id])
        self.jobs = self._incoming_jobs
        self.agents = {record.id: record for record in first.agents}
        self.queue = page.queue
        self.sequence = first.sequence
        self._first_page, self._incoming_jobs = None, {}
        self._reset = True
        early, self._early_events = self._early_events, []
        for event in early:
            if event.sequence > self.sequence:
                self.apply(event)
        return True

    def forget_pages(self) -> None:
        """Discard the pages of a snapshot that is not complete, because another will be requested."""
        self._first_page, self._incoming_jobs, self._early_events = None, {}, []
        self.sequence = None

    def apply(self, event: ChangesEvent) -> bool:
        """Apply an event. Returns False when an earlier one was missed: then request a snapshot."""
        if self.sequence is None:
            self._early_events.append(event)
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
        """Return what changed since the last call.

        Args:
            most: limit for changed jobs, and for removed jobs. It does not apply to a change with `reset`.
        """
        if self._reset:
            self._reset = False
            self._changes.clear()
            return self.full_change(status, message)
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
    def has_unreported_changes(self) -> bool:
        """Whether there are changes for `take_change` to return."""
        return self._reset or bool(self._changes)

    def full_change(self, status: ConnectionStatus, message: str) -> QueueChange:
        """Return a change that holds all records, with `reset`."""
        return QueueChange(
            status=status,
            message=message,
            jobs=tuple(self.jobs.values()),
            agents=tuple(self.agents.values()),
            queue=self.queue,
            reset=True,
        )
