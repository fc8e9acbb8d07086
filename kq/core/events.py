"""The input events of the core, as data. kq/core/machine.py handles them."""

from __future__ import annotations

import msgspec

from ..messages import AttemptEnding
from ..records import JobSpec

__all__ = [
    "AgentCountSet",
    "AgentEndRequested",
    "AgentGone",
    "AgentHeartbeat",
    "AgentRegistered",
    "AgentsDrained",
    "AttemptEnded",
    "AttemptProgressed",
    "CoreEvent",
    "JobSubmitted",
    "JobsRemoved",
    "JobsStarted",
    "JobsStopped",
    "NoteSet",
    "PrioritySet",
    "QueuePaused",
    "SessionEnding",
    "TasksStarted",
    "TasksStopped",
    "Tick",
]


class CoreEvent(msgspec.Struct, frozen=True, gc=False):
    """Base of all events."""


class JobSubmitted(CoreEvent, frozen=True):
    """A client submitted a job. A repeated id is a repeated request, and adds no second job."""

    job_id: str
    spec: JobSpec


class JobsStarted(CoreEvent, frozen=True):
    """A client starts jobs again: their tasks that are not Completed, or all tasks of a Completed job."""

    job_ids: tuple[str, ...]


class TasksStarted(CoreEvent, frozen=True):
    """A client starts single tasks again, whatever their states."""

    job_id: str
    tasks: tuple[int, ...]


class TasksStopped(CoreEvent, frozen=True):
    """A client stops single tasks. The other tasks of the job continue."""

    job_id: str
    tasks: tuple[int, ...]


class JobsStopped(CoreEvent, frozen=True):
    """A client stops jobs."""

    job_ids: tuple[str, ...]


class JobsRemoved(CoreEvent, frozen=True):
    """A client, or the history's limit, removes jobs. Running tasks are stopped first."""

    job_ids: tuple[str, ...]


class PrioritySet(CoreEvent, frozen=True):
    """A client changed priorities."""

    job_ids: tuple[str, ...]
    priority: int


class NoteSet(CoreEvent, frozen=True):
    """A client set the note of jobs."""

    job_ids: tuple[str, ...]
    note: str


class QueuePaused(CoreEvent, frozen=True):
    """A client paused or resumed the queue. Running tasks continue."""

    paused: bool


class AgentCountSet(CoreEvent, frozen=True):
    """A client set the number of local Agents."""

    count: int


class AgentsDrained(CoreEvent, frozen=True):
    """A client drains Agents (they are assigned no more tasks), or resumes them."""

    agent_ids: tuple[str, ...]
    draining: bool


class AgentEndRequested(CoreEvent, frozen=True):
    """A client ends Agents now, with their renders. Local ones are replaced up to the number wanted."""

    agent_ids: tuple[str, ...]
    restart: bool = False
    """Whether remote Agents are replaced on their machines."""


class AgentRegistered(CoreEvent, frozen=True):
    """An Agent registered, for the first time or again. The fields are its process and what it runs."""

    agent: str
    host: str
    pid: int
    process_started: float
    local: bool
    attempt: str = ""
    """Id of the attempt that it runs; empty for none."""
    endings: tuple[AttemptEnding, ...] = ()
    """Ends of attempts that no server has acknowledged."""
    assign_number: int = 0
    """The number of the last Assign that it received, from this server or an earlier one."""


class AgentHeartbeat(CoreEvent, frozen=True):
    """A heartbeat of an Agent. `attempt`, `endings` and `assign_number` as in AgentRegistered."""

    agent: str
    number: int
    assign_number: int
    attempt: str = ""
    endings: tuple[AttemptEnding, ...] = ()
    cpu_percent: float | None = None
    memory: int | None = None
    """Bytes of memory of the attempt's processes, or else of the standby."""


class AttemptProgressed(CoreEvent, frozen=True):
    """An attempt's output reported progress, a picture or a warning."""

    agent: str
    attempt: str
    progress: float | None = None
    picture: str = ""
    warning: str = ""
    warnings: int = 0
    """The number of warnings since the attempt began."""


class AttemptEnded(CoreEvent, frozen=True):
    """An Agent reported that an attempt ended, and that its processes are gone."""

    ending: AttemptEnding


class AgentGone(CoreEvent, frozen=True):
    """An Agent and all its processes are gone, or it could not be started. `reason`: why, for users."""

    agent: str
    reason: str


class SessionEnding(CoreEvent, frozen=True):
    """The session ends: no more tasks are assigned, and Agents are ended and not replaced."""


class Tick(CoreEvent, frozen=True):
    """Time passed. Due about once a second; a gap over 2 s counts as a suspension of this process."""
