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
    """Holds jobs, tasks and Agents, and decides what happens next.

    Not thread-safe: one thread calls `handle` with the events, in the order in which they occurred.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.state = CoreState(settings)

    def handle(self, event: ev.CoreEvent, now: Instant) -> list[do.Instruction]:
        """Apply one event; return the instructions that follow from it, in order.

        Raises:
            BadInput, NotFound, Refused: a client's request was refused; nothing was changed.
            IllegalTransition: a bug in this program.
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
        """Ids of all jobs in the order in which they were added; those of earlier sessions may be last."""
        return list(self.state.jobs)

    def has_job(self, job_id: str) -> bool:
        """Whether the job exists, also while it is being removed."""
        return job_id in self.state.jobs

    def job_entry(self, job_id: str) -> Job:
        """The job itself, for the journal, also while it is being removed; the caller must not change it.

        Raises NotFound.
        """
        job = self.state.jobs.get(job_id)
        return self.state.job(job_id) if job is None else job

    def job_record(self, job_id: str) -> JobRecord:
        """A job as clients see it. Raises NotFound."""
        return self.job_entry(job_id).record()

    def job_spec(self, job_id: str) -> JobSpec:
        """The job's specification as submitted. Raises NotFound."""
        return self.state.job(job_id).spec

    def task_records(self, job_id: str, first: int, count: int) -> list[TaskRecord]:
        """Up to `count` tasks from index `first` on, as clients see them. Raises NotFound."""
        job = self.state.job(job_id)
        return [job.task_record(index) for index in range(max(first, 0), min(first + count, job.total))]

    def task_states(self, job_id: str) -> bytes:
        """The states of all tasks, one byte each: its place in TaskState. Raises NotFound."""
        return bytes(self.state.job(job_id).states)

    def agent_ids(self) -> list[str]:
        """Ids of all Agents, oldest first."""
        return list(self.state.agents)

    def agent(self, agent_id: str) -> Agent | None:
        """The Agent itself, or None; the caller must not change it."""
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
        """Monotonic seconds at which a delayed launch of an Agent needs a Tick, or None."""
        return self.state.launch_due

    @property
    def next_agent(self) -> int:
        """The number of the next local Agent, for the journal. No number is used twice."""
        return self.state.next_agent

    def overrides(self) -> Overrides:
        """The settings of the queue that users changed, for the journal."""
        state = self.state
        drained = tuple(agent.id for agent in state.agents.values() if agent.draining)
        return Overrides(paused=state.paused, agents_wanted=state.agents_wanted, drained=drained)

    # --- Restoring ---

    def restore_numbering(self, *, next_agent: int = 1, next_job: int = 1) -> None:
        """Continue the numbers of local Agents and of jobs from an earlier server. Never lowers them."""
        self.state.next_agent = max(self.state.next_agent, next_agent)
        self.state.next_order = max(self.state.next_order, next_job)

    def restore_job(self, job: Job) -> None:
        """Add a job from the journal.

        To be called for this session's jobs before `restore_agent`; for earlier sessions' at any time.
        """
        recovery.restore_job(self.state, job)

    def restore_agent(
        self, agent_id: str, *, host: str, pid: int, process_started: float, local: bool, now: Instant
    ) -> None:
        """Add an Agent from the journal. It is Lost until it reports, and keeps its task.

        Nothing is assigned until every restored Agent has reported or is gone: they may run attempts that
        the journal does not have.

        Args:
            process_started: start time of the process `pid`, from `kq.process`.
        """
        agent = Agent(agent_id, local=local, now=now.mono, wall=now.wall)
        agent.host, agent.pid, agent.process_started = host, pid, process_started
        recovery.restore_agent(self.state, agent, now)

    def restore_overrides(self, overrides: Overrides) -> None:
        """Apply the settings that users changed in an earlier server. To be called after `restore_agent`."""
        recovery.restore_overrides(self.state, overrides)

    def requeue_unheld(self, now: Instant) -> list[do.Instruction]:
        """Finish the restore: tasks whose Agent was not restored wait again. Returns the instructions."""
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
# After these the number of local Agents may differ from the wanted one; a Tick ends waits for a launch.
_CHANGES_POOL = frozenset({ev.AgentsWanted, ev.AgentEndRequested, ev.AgentGone, ev.Tick})
