"""The queue's one state machine: `handle(event, now)` returns instructions. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..records import AgentRecord, JobRecord, JobSpec, QueueRecord, TaskRecord
from ..states import AgentState
from . import attempts, pool, recovery, reports, requests
from . import events as ev
from . import instructions as do
from .agents import Agent
from .jobs import Job
from .state import CoreSettings, CoreState, Instant, Overrides

__all__ = ["Core"]


class Core:
    """Jobs, tasks and Agents, and what to do next.

    Not thread-safe: one thread calls it, in the order in which things happened.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.state = CoreState(settings)

    def handle(self, event: ev.CoreEvent, now: Instant) -> list[do.Instruction]:
        """Take one event; return what to do, in order.

        Raises:
            BadInput, NotFound, Refused: a client's request was refused; nothing was changed.
            IllegalTransition: a fault of the program.
        """
        state = self.state
        state.out, state.now = [], now
        _HANDLERS[type(event)](state, event, now)
        if type(event) in _CHANGES_POOL:
            pool.keep_agents(state, now)
        state.dispatch(now)
        return state.out

    # --- Queries ---

    def job_ids(self) -> list[str]:
        """All jobs, in the order in which they came here: those of earlier sessions may come last."""
        return list(self.state.jobs)

    def has_job(self, job_id: str) -> bool:
        """Whether there is such a job."""
        return job_id in self.state.jobs

    def job_entry(self, job_id: str) -> Job:
        """The job as the core holds it, for the journal. Not to be changed. Raises NotFound."""
        job = self.state.jobs.get(job_id)
        return self.state.job(job_id) if job is None else job

    def job_record(self, job_id: str) -> JobRecord:
        """A job as clients see it. Raises NotFound."""
        return self.job_entry(job_id).record()

    def job_spec(self, job_id: str) -> JobSpec:
        """What was submitted. Raises NotFound."""
        return self.state.job(job_id).spec

    def task_records(self, job_id: str, first: int, count: int) -> list[TaskRecord]:
        """The tasks `first` and following as clients see them. Raises NotFound."""
        job = self.state.job(job_id)
        return [job.task_record(index) for index in range(max(first, 0), min(first + count, job.total))]

    def task_states(self, job_id: str) -> bytes:
        """For each task, the place of its state among the members of TaskState. Raises NotFound."""
        return bytes(self.state.job(job_id).states)

    def agent_ids(self) -> list[str]:
        """All Agents, oldest first."""
        return list(self.state.agents)

    def agent(self, agent_id: str) -> Agent | None:
        """The Agent as the core holds it. Not to be changed."""
        return self.state.agents.get(agent_id)

    def agent_record(self, agent_id: str) -> AgentRecord:
        """An Agent as clients see it. Raises NotFound."""
        agent = self.state.agents_of((agent_id,))[0]
        if agent.desired is None:
            return agent.record()
        job_id, task, _attempt = agent.desired
        job = self.state.jobs.get(job_id)
        return agent.record("" if job is None else job.task_label(task))

    def queue_record(self) -> QueueRecord:
        """The queue as a whole, as clients see it."""
        return self.state.queue_record()

    def launch_at(self) -> float | None:
        """When (monotonic) a Tick is needed because an Agent's launch was put off, or None."""
        return self.state.launch_due

    @property
    def next_agent(self) -> int:
        """The number of the next local Agent, for the journal: a number is never used twice."""
        return self.state.next_agent

    def overrides(self) -> Overrides:
        """The settings of the queue that users changed, for the journal."""
        state = self.state
        drained = tuple(agent.id for agent in state.agents.values() if agent.draining)
        return Overrides(paused=state.paused, agents_wanted=state.agents_wanted, drained=drained)

    # --- Restoring ---

    def restore_numbering(self, *, next_agent: int = 1, next_job: int = 1) -> None:
        """Number local Agents and jobs from these on, as an earlier server would have."""
        self.state.next_agent = max(self.state.next_agent, next_agent)
        self.state.next_order = max(self.state.next_order, next_job)

    def restore_job(self, job: Job) -> None:
        """Take a job from the journal. All jobs come before the first Agent."""
        recovery.restore_job(self.state, job)

    def restore_agent(
        self, agent_id: str, *, host: str, pid: int, process_started: float, local: bool, now: Instant
    ) -> None:
        """Take an Agent from the journal: it counts as lost until it is heard, and keeps what it ran.

        Until every restored Agent was heard or is known gone, nothing is given to any: what they run may be
        more than the journal knows.
        """
        agent = Agent(agent_id, local=local, now=now.mono, wall=now.wall)
        agent.host, agent.pid, agent.process_started = host, pid, process_started
        recovery.restore_agent(self.state, agent, now)

    def restore_overrides(self, overrides: Overrides) -> None:
        """Take the settings that users changed in an earlier server. All Agents come before."""
        recovery.restore_overrides(self.state, overrides)

    def requeue_unheld(self, now: Instant) -> list[do.Instruction]:
        """The last step of coming back: tasks whose Agent is not among the restored ones wait again."""
        self.state.out, self.state.now = [], now
        recovery.requeue_unheld(self.state, now)
        return self.state.out


def _end_session(state: CoreState, event: ev.SessionEnding, now: Instant) -> None:
    state.ending = True
    for agent in state.agents.values():
        if agent.state is not AgentState.ENDING:
            agent.end_requested = True
            state.end_agent(agent, "the session is ending", now)


def _tick(state: CoreState, event: ev.Tick, now: Instant) -> None:
    pool.watch_leases(state, now)


_HANDLERS: dict[type[ev.CoreEvent], Callable[[CoreState, Any, Instant], None]] = {
    ev.JobSubmitted: requests.submit,
    ev.JobsStarted: requests.start_jobs,
    ev.TasksStarted: requests.start_tasks,
    ev.TasksStopped: requests.stop_tasks,
    ev.JobsStopped: requests.stop_jobs,
    ev.JobsRemoved: requests.remove_jobs,
    ev.PrioritySet: requests.set_priority,
    ev.NoteSet: requests.set_note,
    ev.QueuePaused: requests.pause_queue,
    ev.AgentsWanted: requests.set_agent_count,
    ev.AgentsDrained: requests.drain_agents,
    ev.AgentEndRequested: requests.end_agents,
    ev.AgentRegistered: reports.registered,
    ev.AgentHeard: reports.heard,
    ev.AttemptProgressed: attempts.attempt_progressed,
    ev.AttemptEnded: attempts.attempt_ended,
    ev.AgentGone: reports.agent_gone,
    ev.SessionEnding: _end_session,
    ev.Tick: _tick,
}
_CHANGES_POOL = frozenset({ev.AgentsWanted, ev.AgentEndRequested, ev.AgentGone, ev.Tick})
