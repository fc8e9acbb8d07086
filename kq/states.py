"""States and transitions of jobs, tasks and Agents; outcomes of attempts and exit codes of Agents. A leaf."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

__all__ = [
    "AGENT_TRANSITIONS",
    "TASK_TRANSITIONS",
    "AgentExit",
    "AgentState",
    "JobState",
    "Outcome",
    "Severity",
    "StopMethod",
    "TaskState",
    "WaitReason",
    "derive_job_state",
]


class JobState(StrEnum):
    """The state of a job as users see it: FarmAPI's five states."""

    WAITING = "Waiting"
    """At least one task waits, and none runs."""
    RUNNING = "Running"
    """At least one task runs or is being stopped on an Agent."""
    COMPLETED = "Completed"
    """All tasks are Completed."""
    CANCELLED = "Cancelled"
    """Stopped on request; no task failed."""
    FAILED = "Failed"
    """All tasks are over, and at least one failed."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job stays as it is until it is started again."""
        return self in (JobState.COMPLETED, JobState.CANCELLED, JobState.FAILED)


class TaskState(StrEnum):
    """The state of one task. Unlike a job's, it distinguishes running from being stopped."""

    WAITING = "Waiting"
    RUNNING = "Running"
    """Assigned to an Agent. No other Agent may run it meanwhile."""
    STOPPING = "Stopping"
    """A stop was requested; the Agent has not yet reported that the processes have ended."""
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    FAILED = "Failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the task stays as it is until it is started again."""
        return self in (TaskState.COMPLETED, TaskState.CANCELLED, TaskState.FAILED)

    @property
    def is_on_agent(self) -> bool:
        """Whether the task is assigned to an Agent."""
        return self in (TaskState.RUNNING, TaskState.STOPPING)


class AgentState(StrEnum):
    """The state of one Agent."""

    STARTING = "Starting"
    """Started, but not registered yet."""
    IDLE = "Idle"
    """Registered, without a task."""
    BUSY = "Busy"
    """Has a task."""
    LOST = "Lost"
    """No heartbeat for too long; it may recover until its lease expires."""
    ENDING = "Ending"
    """Asked to end, or being killed; it is assigned no more tasks."""


class WaitReason(StrEnum):
    """Why a job or a task waits. kq/wording.py has the texts."""

    NONE = "none"
    """It does not wait, or has no reason of its own: then the queue's reason is shown."""
    DEPENDENCIES = "dependencies"
    """Other jobs must be Completed first."""
    RETRY = "retry"
    """It failed, and will be retried."""
    REQUEUED = "requeued"
    """Its Agent was lost."""
    RESTART = "restart"
    """It was started again while its previous run is still being stopped."""
    SUBMISSION = "submission"
    """The server has not confirmed it yet."""
    PARALLEL_LIMIT = "parallel-limit"
    """The job's limit of running tasks is reached."""
    QUEUE_PAUSED = "queue-paused"
    QUEUE_PROBLEM = "queue-problem"
    NO_AGENT = "no-agent"
    NO_AGENT_ANSWERS = "no-agent-answers"
    ALL_DRAINED = "all-drained"
    AGENT_STARTING = "agent-starting"
    NO_FREE_AGENT = "no-free-agent"


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    """Stopped by the user or the queue, or because the Agent ended."""
    TIMED_OUT = "timed-out"
    """Exceeded the time limit of its job, or was inactive for too long."""
    OUT_OF_MEMORY = "out-of-memory"
    """Exceeded the memory limit of its job."""
    AGENT_LOST = "agent-lost"
    """Its Agent ended before it did. Never reported by an Agent."""


class Severity(StrEnum):
    """The severity of a line in a render's log, or of a message."""

    ERROR = "error"
    WARNING = "warning"


class StopMethod(StrEnum):
    """The strongest means that was used to end a render process."""

    NONE = ""
    """Ended by itself."""
    ASKED = "asked"
    KILLED = "killed"


class AgentExit(IntEnum):
    """Exit codes of an Agent's process. Any other code, and any signal, is a crash."""

    ENDED = 0
    """Ended on request, or because its session is over."""
    ERROR = 1
    NO_CONNECTION_FILE = 2
    SERVER_SILENT = 3
    """No server replied within its lease."""
    KEY_REFUSED = 4
    PROTOCOL_MISMATCH = 5
    RESTART = 6
    """Ended to be replaced by another Agent."""


_T = TaskState
TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    _T.WAITING: frozenset({_T.RUNNING, _T.CANCELLED}),
    # WAITING from RUNNING: its Agent was lost, or a retry is left. FAILED: also when too many were lost.
    _T.RUNNING: frozenset({_T.WAITING, _T.STOPPING, _T.COMPLETED, _T.FAILED}),
    # WAITING from STOPPING: it was started again while it was being stopped.
    _T.STOPPING: frozenset({_T.WAITING, _T.COMPLETED, _T.CANCELLED}),
    _T.COMPLETED: frozenset({_T.WAITING}),
    _T.CANCELLED: frozenset({_T.WAITING}),
    _T.FAILED: frozenset({_T.WAITING}),
}
"""The legal next states of each task state. Any other transition is a bug."""

_A = AgentState
AGENT_TRANSITIONS: Mapping[AgentState, frozenset[AgentState]] = {
    _A.STARTING: frozenset({_A.IDLE, _A.BUSY, _A.ENDING}),
    _A.IDLE: frozenset({_A.BUSY, _A.LOST, _A.ENDING}),
    _A.BUSY: frozenset({_A.IDLE, _A.LOST, _A.ENDING}),
    _A.LOST: frozenset({_A.IDLE, _A.BUSY, _A.ENDING}),
    _A.ENDING: frozenset(),
}
"""The legal next states of each Agent state. An Agent that has ended is removed, and has no state."""


def derive_job_state(counts: Mapping[TaskState, int]) -> JobState:
    """Return the state of a job from the number of its tasks in each state."""
    if counts.get(TaskState.RUNNING) or counts.get(TaskState.STOPPING):
        return JobState.RUNNING
    if counts.get(TaskState.WAITING):
        return JobState.WAITING
    if counts.get(TaskState.FAILED):
        return JobState.FAILED
    if counts.get(TaskState.CANCELLED):
        return JobState.CANCELLED
    return JobState.COMPLETED
