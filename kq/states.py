"""The states of jobs, tasks and Agents, which may follow which, and how attempts and Agents end. A leaf."""

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
    "StopMethod",
    "TaskState",
    "WaitReason",
    "derive_job_state",
]


class JobState(StrEnum):
    """The state of a job as users see it: FarmAPI's five states."""

    WAITING = "Waiting"
    """Some of it is still to be run, and none of it runs now."""
    RUNNING = "Running"
    """At least one of its tasks is on an Agent, or is being stopped there."""
    COMPLETED = "Completed"
    """Every task ended well."""
    CANCELLED = "Cancelled"
    """Stopped on request; nothing of it failed."""
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
    """Given to an Agent. From here on at most that Agent may run it."""
    STOPPING = "Stopping"
    """A stop was requested; the Agent has not yet reported that the processes are gone."""
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    FAILED = "Failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the task stays as it is until it is started again."""
        return self in (TaskState.COMPLETED, TaskState.CANCELLED, TaskState.FAILED)

    @property
    def is_on_agent(self) -> bool:
        """Whether an Agent holds the task."""
        return self in (TaskState.RUNNING, TaskState.STOPPING)


class AgentState(StrEnum):
    """The state of one Agent."""

    STARTING = "Starting"
    """Launched; it has not registered yet."""
    IDLE = "Idle"
    """Registered, and has asked for work."""
    BUSY = "Busy"
    """Holds a task."""
    LOST = "Lost"
    """Silent for longer than it should be; it may come back until its lease runs out."""
    ENDING = "Ending"
    """Asked to end, or being ended; it gets no more work."""


class WaitReason(StrEnum):
    """Why a job or a task waits. kq/wording.py has the words."""

    NONE = "none"
    """It does not wait, or for nothing of its own: then the queue's reason counts."""
    DEPENDENCIES = "dependencies"
    """Other jobs must be Completed first."""
    RETRY = "retry"
    """It failed, and is tried again."""
    REQUEUED = "requeued"
    """Its Agent was lost."""
    RESTART = "restart"
    """It was started again, and what ran before is still being stopped."""
    SUBMISSION = "submission"
    """The server has not confirmed it yet."""
    PARALLEL_LIMIT = "parallel-limit"
    """As many tasks of the job as it allows are running."""
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
    """On request: of a person, of the queue, or because the Agent ended."""
    TIMED_OUT = "timed-out"
    """It exceeded the time limit of its job, or showed no activity for too long."""
    OUT_OF_MEMORY = "out-of-memory"
    """It exceeded the memory limit of its job."""
    AGENT_LOST = "agent-lost"
    """Its Agent ended before it did. Never reported by an Agent."""


class StopMethod(StrEnum):
    """The strongest means that was used to end a render process."""

    NONE = ""
    """It ended by itself."""
    ASKED = "asked"
    KILLED = "killed"


class AgentExit(IntEnum):
    """Exit codes of an Agent's process. Every other one, and every signal, is a crash."""

    ENDED = 0
    """On request, or because its session is over."""
    ERROR = 1
    NO_CONNECTION_FILE = 2
    SERVER_SILENT = 3
    """No server answered within its lease."""
    KEY_REFUSED = 4
    PROTOCOL_MISMATCH = 5
    RESTART = 6
    """Another Agent is to take its place."""


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
"""Which state of a task may follow which. Everything else is a fault of the program."""

_A = AgentState
AGENT_TRANSITIONS: Mapping[AgentState, frozenset[AgentState]] = {
    _A.STARTING: frozenset({_A.IDLE, _A.BUSY, _A.ENDING}),
    _A.IDLE: frozenset({_A.BUSY, _A.LOST, _A.ENDING}),
    _A.BUSY: frozenset({_A.IDLE, _A.LOST, _A.ENDING}),
    _A.LOST: frozenset({_A.IDLE, _A.BUSY, _A.ENDING}),
    _A.ENDING: frozenset(),
}
"""Which state of an Agent may follow which. An Agent that is gone is forgotten: it has no state."""


def derive_job_state(counts: Mapping[TaskState, int]) -> JobState:
    """The state of a job whose tasks are counted by state in `counts`."""
    if counts.get(TaskState.RUNNING) or counts.get(TaskState.STOPPING):
        return JobState.RUNNING
    if counts.get(TaskState.WAITING):
        return JobState.WAITING
    if counts.get(TaskState.FAILED):
        return JobState.FAILED
    if counts.get(TaskState.CANCELLED):
        return JobState.CANCELLED
    return JobState.COMPLETED
