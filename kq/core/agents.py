"""One Agent as the core holds it. `want` is what it should be running, whatever it last said."""

from __future__ import annotations

from kq.errors import IllegalTransition
from kq.records import AgentRecord
from kq.states import AGENT_TRANSITIONS, AgentState

__all__ = ["Agent"]


class Agent:
    """An Agent, what it should run, and until when it may be silent. Times without a note are monotonic."""

    def __init__(self, agent_id: str, *, local: bool, now: float, wall: float) -> None:
        self.id = agent_id
        self.local = local
        self.host = ""
        self.pid = 0
        self.process_started = 0.0
        self.state = AgentState.STARTING
        self.since = wall
        """Wall clock."""
        self.launched_at = now
        self.registered_at: float | None = None
        self.last_heard = now
        self.draining = False
        self.retiring = False
        """It ends as soon as it holds nothing: fewer Agents are wanted."""
        self.want: tuple[str, int, int] | None = None
        """Job, task and number of the attempt that it should be running."""
        self.foreign = ""
        """An attempt that it runs though nobody wants it to; it was told to end it."""
        self.assign_number = 0
        self.assigned_at = 0.0
        self.idle_beats = 0
        """Heartbeats in a row that did not show the wanted attempt."""
        self.cpu_percent: float | None = None
        self.memory: int | None = None
        self.reason = ""

    def set_state(self, new: AgentState, wall: float) -> bool:
        """Move on to `new`; returns whether that is a change. Raises IllegalTransition."""
        old = self.state
        if new is old:
            return False
        if new not in AGENT_TRANSITIONS[old]:
            raise IllegalTransition(f"Agent {self.id} cannot go from {old} to {new}")
        self.state, self.since = new, wall
        return True

    @property
    def is_free(self) -> bool:
        """Whether a task may be given to it now."""
        return (
            self.state is AgentState.IDLE
            and not self.draining
            and not self.retiring
            and self.want is None
            and not self.foreign
        )

    def record(self) -> AgentRecord:
        """What people are told of the Agent."""
        job, task = ("", None) if self.want is None else self.want[:2]
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
            cpu_percent=self.cpu_percent,
            memory=self.memory,
            reason=self.reason,
        )
