"""What may happen to the queue. Data only; kq/core/machine.py decides what follows."""

from __future__ import annotations

import msgspec

from ..messages import AttemptEnding
from ..records import JobSpec

__all__ = [
    "AgentEndRequested",
    "AgentGone",
    "AgentHeard",
    "AgentRegistered",
    "AgentsDrained",
    "AgentsWanted",
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
    """A client submitted a job. The same id again is the same job."""

    job_id: str
    spec: JobSpec


class JobsStarted(CoreEvent, frozen=True):
    """A client wants jobs run again: what is not Completed, or all when all is."""

    job_ids: tuple[str, ...]


class TasksStarted(CoreEvent, frozen=True):
    """A client wants single tasks run again, whatever became of them."""

    job_id: str
    tasks: tuple[int, ...]


class TasksStopped(CoreEvent, frozen=True):
    """A client wants single tasks stopped; the job's others go on."""

    job_id: str
    tasks: tuple[int, ...]


class JobsStopped(CoreEvent, frozen=True):
    """A client wants jobs stopped."""

    job_ids: tuple[str, ...]


class JobsRemoved(CoreEvent, frozen=True):
    """A client wants jobs forgotten; what runs is stopped first."""

    job_ids: tuple[str, ...]


class PrioritySet(CoreEvent, frozen=True):
    """A client changed priorities."""

    job_ids: tuple[str, ...]
    priority: int


class NoteSet(CoreEvent, frozen=True):
    """A client wrote a note to jobs."""

    job_ids: tuple[str, ...]
    note: str


class QueuePaused(CoreEvent, frozen=True):
    """A client paused the queue, or resumed it. What runs goes on."""

    paused: bool


class AgentsWanted(CoreEvent, frozen=True):
    """How many local Agents to keep."""

    count: int


class AgentsDrained(CoreEvent, frozen=True):
    """Agents shall take no more work (or take it again)."""

    agent_ids: tuple[str, ...]
    draining: bool


class AgentEndRequested(CoreEvent, frozen=True):
    """Agents shall end now, with their renders. A local one is replaced when the number wanted says so."""

    agent_ids: tuple[str, ...]
    again: bool = False
    """Whether those of other machines are replaced there."""


class AgentRegistered(CoreEvent, frozen=True):
    """An Agent registered."""

    agent: str
    host: str
    pid: int
    process_started: float
    local: bool
    holding: str = ""
    endings: tuple[AttemptEnding, ...] = ()
    assigned: int = 0
    """The number of the last Assign that it saw, of whichever server."""


class AgentHeard(CoreEvent, frozen=True):
    """A heartbeat."""

    agent: str
    beat: int
    assigned: int
    holding: str = ""
    endings: tuple[AttemptEnding, ...] = ()
    cpu_percent: float | None = None
    memory: int | None = None


class AttemptProgressed(CoreEvent, frozen=True):
    """An attempt's output reported progress, a picture or a warning."""

    agent: str
    attempt: str
    progress: float | None = None
    picture: str = ""
    warning: str = ""
    warnings: int = 0
    """Since the attempt began."""


class AttemptEnded(CoreEvent, frozen=True):
    """An attempt is over, and its processes are gone."""

    ending: AttemptEnding


class AgentGone(CoreEvent, frozen=True):
    """An Agent is known gone with all its processes (or was never started: `reason` says why)."""

    agent: str
    reason: str


class SessionEnding(CoreEvent, frozen=True):
    """The session is over: no more work is given, no Agent is replaced."""


class Tick(CoreEvent, frozen=True):
    """Time passed. Expected once a second or so: what is longer counts as a pause of this process."""
