"""The state machine of the queue: decides what happens to jobs, tasks and Agents. No clock, no I/O.

The server passes it each event, and carries out the instructions that it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..frame_selection import frames_written
from ..records import AgentRecord, JobRecord, JobSpec, QueueRecord, TaskRecord
from ..states import AgentState, TaskState
from . import attempts, pool, recovery, reports, requests
from . import events as ev
from . import instructions as do
from .agents import Agent
from .jobs import Job
from .state import CoreSettings, CoreState, Instant, QueueSettings

__all__ = ["Core"]


class Core:
    """Holds all jobs, tasks and Agents.

    A *session* is one run of the queue. If its server process crashes, another one continues it, with the
    state that the journal holds. Jobs of earlier sessions are kept as history.

    Not thread-safe: all methods are called on one thread, and events are handled in the order in which they
    occurred. `now` is the current time on both clocks: monotonic for decisions, epoch seconds for records.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.state = CoreState(settings)

    def handle(self, event: ev.CoreEvent, now: Instant) -> list[do.Instruction]:
        """Change the state as an event requires.

        Returns:
            What the server must do because of it, in this order.

        Raises:
            BadInput, NotFound, Refused: the event is a client's request, and is refused; nothing was changed.
            IllegalTransition: the event is impossible in this state: a bug in this program.
        """
        state = self.state
        state.instructions, state.now = [], now
        _HANDLERS[type(event)](state, event, now)
        if type(event) in _MAY_CHANGE_AGENT_COUNT:
            pool.adjust_agent_count(state, now)
        state.dispatch(now)
        return state.instructions

    # --- Queries ---

    def job_ids(self) -> list[str]:
        """Return the ids of all jobs, in the order in which they were added.

        The jobs of earlier sessions are read from the journal after the server has started, so they may come
        last.
        """
        return list(self.state.jobs)

    def has_job(self, job_id: str) -> bool:
        """Return whether the job exists, even if it is being removed."""
        return job_id in self.state.jobs

    def job(self, job_id: str) -> Job:
        """Return the job itself, even if it is being removed; the caller must not change it. Raises NotFound.

        Used by the journal, which stores more than a JobRecord contains.
        """
        return self.state.job_even_if_removing(job_id)

    def job_record(self, job_id: str) -> JobRecord:
        """Return a job as it is sent to clients, even if it is being removed. Raises NotFound."""
        return self.job(job_id).record()

    def job_spec(self, job_id: str) -> JobSpec:
        """Return what was submitted. Raises NotFound, also for a job that is being removed."""
        return self.state.job(job_id).spec

    def task_records(self, job_id: str, first: int, count: int) -> list[TaskRecord]:
        """Return up to `count` tasks from index `first`, as they are sent to clients.

        Raises NotFound, also for a job that is being removed.
        """
        job = self.state.job(job_id)
        return [job.task_record(index) for index in range(max(first, 0), min(first + count, job.total))]

    def task_states(self, job_id: str) -> bytes:
        """Return one byte per task: the index of its state in `list(TaskState)`.

        Raises NotFound, also for a job that is being removed.
        """
        return bytes(self.state.job(job_id).states)

    def frames_written(self, job_id: str) -> list[int]:
        """Return how many frames of each task are written.

        It is 0 for a task that is completed, or has reported no picture or progress yet. Empty for a
        job that was submitted without frames, or with one frame per task. Raises NotFound, also for a job
        that is being removed.
        """
        job = self.state.job(job_id)
        if job.chunks is None or job.spec.chunk < 2:
            return []
        written = [0] * job.total
        for index, detail in job.details.items():
            if detail.picture and detail.progress and job.task_state(index) is not TaskState.COMPLETED:
                chunk = job.chunks[index]
                written[index] = frames_written(job.spec, chunk, detail.picture, detail.progress)
        return written

    def agent_ids(self) -> list[str]:
        """Return the ids of all Agents, in the order in which they were added."""
        return list(self.state.agents)

    def agent(self, agent_id: str) -> Agent | None:
        """Return the Agent itself, which the caller must not change; None for an unknown id."""
        return self.state.agents.get(agent_id)

    def agent_record(self, agent_id: str) -> AgentRecord:
        """Return an Agent as it is sent to clients. Raises NotFound."""
        agent = self.state.agents_of((agent_id,))[0]
        if agent.desired is None:  # no attempt is assigned to it
            return agent.record()
        job_id, task, _attempt = agent.desired
        job = self.state.jobs.get(job_id)
        return agent.record("" if job is None else job.task_label(task))

    def queue_record(self) -> QueueRecord:
        """Return the state of the queue as a whole, as it is sent to clients."""
        return self.state.queue_record()

    def next_launch_at(self) -> float | None:
        """Return when (monotonic seconds) the next Tick for a delayed launch of an Agent is due; or None."""
        return self.state.next_launch_at

    @property
    def next_agent(self) -> int:
        """The number of the next local Agent: 7 gives the id `a7`. It never decreases."""
        return self.state.next_agent

    def queue_settings(self) -> QueueSettings:
        """Return what users set: whether the queue is paused, how many Agents it keeps, which are drained.

        A drained Agent completes its task and is assigned no other.
        """
        state = self.state
        drained = tuple(agent.id for agent in state.agents.values() if agent.draining)
        return QueueSettings(paused=state.paused, agents_wanted=state.agents_wanted, drained=drained)

    # --- Restoring ---

    def restore_numbering(self, *, next_agent: int = 1, next_job: int = 1) -> None:
        """Set the numbers of the next local Agent and job to those of this session's previous server process.

        Jobs are numbered in the order in which they were submitted. A number that is already higher stays.
        """
        self.state.next_agent = max(self.state.next_agent, next_agent)
        self.state.next_order = max(self.state.next_order, next_job)

    def restore_job(self, job: Job) -> None:
        """Add a job from the journal.

        Add this session's jobs before the Agents that run their tasks. Add the jobs that they wait for, which
        may be of earlier sessions, before `finish_restore`. Others can be added at any time, in any order.
        """
        recovery.restore_job(self.state, job)

    def restore_agent(
        self, agent_id: str, *, host: str, pid: int, process_started: float, local: bool, now: Instant
    ) -> None:
        """Add an Agent from the journal. It is in state Lost until it registers again.

        It keeps the task that it runs according to a restored job. No task is assigned
        until every restored Agent has registered or is gone: one of them may be running an attempt whose
        record was not on disk yet when the server died, and that task must not run twice.

        Args:
            pid: its process on the machine `host`.
            process_started: start time of that process as `kq.process` reads it, which tells it from a later
                process with the same pid.
            local: whether it runs on this machine and belongs to this session.
        """
        agent = Agent(agent_id, local=local, now=now.mono, wall=now.wall)
        agent.host, agent.pid, agent.process_started = host, pid, process_started
        recovery.restore_agent(self.state, agent, now)

    def restore_queue_settings(self, settings: QueueSettings) -> None:
        """Apply what users had set before the server was restarted. Call after the Agents are restored."""
        recovery.restore_queue_settings(self.state, settings)

    def finish_restore(self, now: Instant) -> list[do.Instruction]:
        """Requeue the tasks whose Agent was not restored. Call once.

        Only jobs of earlier sessions for which no job of this session waits may be restored later.

        Returns:
            What the server must do because of it, in this order.
        """
        self.state.instructions, self.state.now = [], now
        recovery.finish_restore(self.state, now)
        return self.state.instructions


def _end_session(state: CoreState, event: ev.SessionEnding, now: Instant) -> None:
    state.ending = True
    for agent in state.agents.values():  # `end_agent` removes none: that happens when its process is gone
        if agent.state is not AgentState.ENDING:
            agent.end_requested = True
            state.end_agent(agent, "the session is ending", now)


def _check_leases(state: CoreState, event: ev.Tick, now: Instant) -> None:
    """Set silent Agents to Lost; give up those that are silent beyond their lease or never registered."""
    pool.check_leases(state, now)


_HANDLERS: dict[type[ev.CoreEvent], Callable[[CoreState, Any, Instant], None]] = {
    # Clients' requests, which may be refused.
    ev.JobSubmitted: requests.submit,
    ev.JobsStarted: requests.start_jobs,
    ev.TasksStarted: requests.start_tasks,
    ev.TasksStopped: requests.stop_tasks,
    ev.JobsStopped: requests.stop_jobs,
    ev.JobsRemoved: requests.remove_jobs,
    ev.PrioritySet: requests.set_priority,
    ev.NoteSet: requests.set_note,
    ev.QueuePaused: requests.pause_queue,
    ev.AgentCountSet: requests.set_agent_count,
    ev.AgentsDrained: requests.drain_agents,
    ev.AgentEndRequested: requests.end_agents,
    # Reports of Agents, and the end of one, which its launcher or the server itself reports.
    ev.AgentRegistered: reports.agent_registered,
    ev.AgentHeartbeat: reports.heartbeat,
    ev.AttemptProgressed: attempts.attempt_progressed,
    ev.AttemptEnded: attempts.attempt_ended,
    ev.AgentGone: reports.agent_gone,
    # The server's own.
    ev.SessionEnding: _end_session,
    ev.Tick: _check_leases,
}
# After these events there may be too few or too many local Agents, or a delayed launch may be due.
_MAY_CHANGE_AGENT_COUNT = frozenset({ev.AgentCountSet, ev.AgentEndRequested, ev.AgentGone, ev.Tick})
