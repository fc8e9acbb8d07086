"""One Agent in memory. `desired` is what it should be running, whatever it reported last."""

from __future__ import annotations

from ..errors import IllegalTransition
from ..records import AgentRecord, attempt_id
from ..states import AGENT_TRANSITIONS, AgentState

__all__ = ["STEADY_S", "Agent"]

STEADY_S = 1.0
"""Seconds after registration. An Agent that dies sooner counts as a failed launch."""


class Agent:
    """An Agent, what it should run, and when it last reported. Times are monotonic seconds unless noted."""

    __slots__ = (
        "assign_number",
        "assigned_at",
        "cpu_percent",
        "desired",
        "desired_attempt_id",
        "draining",
        "end_requested",
        "heartbeats_without_desired",
        "host",
        "id",
        "is_replaced",
        "last_attempt_ok",
        "last_heard",
        "launched_at",
        "local",
        "memory",
        "pid",
        "process_started",
        "reason",
        "registered_at",
        "retiring",
        "since",
        "state",
        "unexpected_attempt",
    )

    def __init__(self, agent_id: str, *, local: bool, now: float, wall: float) -> None:
        self.id = agent_id
        self.local = local
        self.host = ""
        self.pid = 0
        self.process_started = 0.0
        """With `pid` identifies the process: pids are used again."""
        self.state = AgentState.STARTING
        self.since = wall
        """Epoch seconds of the last change of state."""
        self.launched_at = now
        self.registered_at: float | None = None
        self.last_heard = now
        self.draining = False
        self.retiring = False
        """It ends after its task, since fewer Agents are wanted."""
        self.end_requested = False
        """A user or the session's end ended it: the loss of its task does not count as an Agent loss."""
        self.is_replaced = False
        """Its launcher should start another in its place."""
        self.desired: tuple[str, int, int] | None = None
        """Job, task and number of the attempt that it should be running."""
        self.desired_attempt_id = ""
        """The id of that attempt, `JOB/TASK/ATTEMPT`; empty for none."""
        self.unexpected_attempt = ""
        """Id of an attempt that it runs and should not; it was asked to stop it. Else empty."""
        self.assign_number = 0
        """The number of the last Assign; they only grow."""
        self.assigned_at = 0.0
        self.heartbeats_without_desired = 0
        """Heartbeats in a row that did not report the desired attempt."""
        self.last_attempt_ok = False
        """Whether its last attempt completed or was stopped. False before the first."""
        self.cpu_percent: float | None = None
        self.memory: int | None = None
        self.reason = ""

    def set_state(self, new: AgentState, wall: float) -> bool:
        """Change the state; returns whether it was another. Raises IllegalTransition."""
        old = self.state
        if new is old:
            return False
        if new not in AGENT_TRANSITIONS[old]:
            held = self.desired_attempt_id or "nothing"
            raise IllegalTransition(f"Agent {self.id} cannot change from {old} to {new}: it has {held}")
        self.state, self.since = new, wall
        return True

    def assign(self, job_id: str, task: int, attempt: int, now: float) -> None:
        """Set the attempt that it should be running. `now`: monotonic seconds."""
        self.desired = (job_id, task, attempt)
        self.desired_attempt_id = attempt_id(job_id, task, attempt)
        self.assigned_at = now
        self.heartbeats_without_desired = 0

    def unassign(self) -> None:
        """Set that it should be running nothing."""
        self.desired, self.desired_attempt_id = None, ""
        self.cpu_percent = self.memory = None

    def is_steady(self, now: float) -> bool:
        """Whether it registered at least STEADY_S ago. `now`: monotonic seconds."""
        return self.registered_at is not None and now - self.registered_at >= STEADY_S

    @property
    def is_free(self) -> bool:
        """Whether a task may be assigned to it now."""
        return (
            self.state is AgentState.IDLE
            and not self.draining
            and not self.retiring
            and self.desired is None
            and not self.unexpected_attempt
        )

    def record(self, task_label: str = "") -> AgentRecord:
        """The Agent as clients see it. `task_label`: label of its task, as in the task's record."""
        job, task = ("", None) if self.desired is None else self.desired[:2]
        return AgentRecord(
            id=self.id,
            host=self.host,
            pid=self.pid,
            local=self.local,
            state=self.state,
            since=self.since,
            draining=self.draining or self.retiring,
            job=job,
            task=task,
            task_label=task_label,
            cpu_percent=self.cpu_percent,
            memory=self.memory,
            reason=self.reason,
        )
