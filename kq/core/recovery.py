"""Restores the state after a crash of the server, from the journal and the reports of its Agents. Pure."""

from __future__ import annotations

from ..messages import AttemptEnding
from ..records import parse_attempt_id
from ..states import AgentState, TaskState
from . import events as ev
from .agents import STEADY_S, Agent
from .attempts import attempt_ended, attempt_lost, requeue, stop_task
from .jobs import Job
from .state import CoreState, Instant, QueueSettings

__all__ = ["adopt_attempts", "finish_restore", "restore_agent", "restore_job", "restore_queue_settings"]


def restore_job(state: CoreState, job: Job) -> None:
    """Add a job from the journal, and note in `restored_assignments` which Agents run its tasks."""
    state.jobs[job.id] = job
    state.next_order = max(state.next_order, job.order + 1)
    state.link(job)
    state.update_dependents(job)
    state.add_ready_job(job)
    for task in job.running_indices():
        detail = job.details[task]
        held = state.restored_assignments.get(detail.agent)
        # An Agent runs one task: of two in the journal, the one that started last.
        if held is None or (detail.started or 0.0) > (state.jobs[held[0]].details[held[1]].started or 0.0):
            state.restored_assignments[detail.agent] = (job.id, task, detail.attempts)


def restore_agent(state: CoreState, agent: Agent, now: Instant) -> None:
    """Add an Agent from the journal. It is Lost until it reports, and keeps its task."""
    agent.registered_at = now.mono - STEADY_S
    agent.state = AgentState.LOST
    agent.reason = "the queue's server was started again"
    held = state.restored_assignments.pop(agent.id, None)
    if held is not None:
        agent.assign(*held, now.mono)
    state.add_agent(agent)
    state.unreported_agents[agent.id] = None
    digits = agent.id[1:]
    if agent.id.startswith("a") and digits.isascii() and digits.isdigit():
        state.next_agent = max(state.next_agent, int(digits) + 1)


def restore_queue_settings(state: CoreState, settings: QueueSettings) -> None:
    """Apply the settings that users changed. Agents must be restored before."""
    state.paused, state.agents_wanted = settings.paused, settings.agents_wanted
    for agent_id in settings.drained:
        agent = state.agents.get(agent_id)
        if agent is not None:
            agent.draining = True


def finish_restore(state: CoreState, now: Instant) -> None:
    """Finish the restore: word the reasons of waiting jobs, and requeue tasks without a restored Agent."""
    state.restored_assignments.clear()
    for job in list(state.jobs.values()):
        state.explain_waiting(job)
        for task in job.running_indices():
            agent = state.agents.get(job.details[task].agent)
            if agent is None or agent.desired is None or agent.desired[:2] != (job.id, task):
                attempt_lost(state, job, task, "interrupted when the queue's server died", None, now)


def adopt_attempts(
    state: CoreState, agent: Agent, endings: tuple[AttemptEnding, ...], attempt: str, now: Instant
) -> None:
    """Adopt the attempts in the first report of an awaited Agent, also those missing in the journal.

    A server that crashes may lose its last commit. An attempt number above the recorded one shows that it
    assigned this attempt, and that every earlier one had ended. Assigning it again would do work twice.

    Args:
        attempt: id of the attempt that the Agent runs; empty for none.
    """
    del state.unreported_agents[agent.id]
    for ending in endings:
        _adopt_attempt(state, agent, ending.attempt, now)
        attempt_ended(state, ev.AttemptEnded(ending), now)
    _adopt_attempt(state, agent, attempt, now)


def _adopt_attempt(state: CoreState, agent: Agent, name: str, now: Instant) -> None:
    """Record that `agent` runs or ran the attempt `name`, if its number is above the recorded one."""
    parts = parse_attempt_id(name)
    job = None if parts is None else state.jobs.get(parts[0])
    if parts is None or job is None or parts[1] >= job.total:
        return
    _, task, attempt = parts
    detail = job.detail(task)
    if attempt <= detail.attempts:
        return
    if agent.desired is not None:
        requeue(state, agent, now)
    if job.task_state(task).is_on_agent:
        holder = state.agents.get(detail.agent)
        if holder is not None and holder.desired is not None and holder.desired[:2] == (job.id, task):
            holder.unassign()
    detail.restart = False
    cancelled = job.task_state(task) is TaskState.CANCELLED
    if job.task_state(task) is not TaskState.WAITING:
        state.move_task(job, task, TaskState.WAITING)
    state.record_assignment(job, task, attempt, agent, now)
    if cancelled:
        # It was cancelled since, while it was not known to be running.
        stop_task(state, job, task)
    state.update_dependents(job)
