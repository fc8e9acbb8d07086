"""What people read of jobs and Agents, in a tab or a terminal: states, and why they wait. A leaf: pure."""

from __future__ import annotations

from collections.abc import Collection

from .records import AgentRecord, JobRecord, QueueRecord, TaskRecord
from .states import AgentState, JobState, TaskState

__all__ = ["WAITS_FOR", "agent_state_text", "job_state_text", "reason_of", "reason_of_task", "why_jobs_wait"]

WAITS_FOR = "waits for "
"""How a job's reason begins when other jobs are to be completed first; their names follow."""

_GONE = (AgentState.LOST, AgentState.ENDING)


def job_state_text(record: JobRecord) -> str:
    """The state of a job for people: that it is being stopped is told, too."""
    return "Stopping" if record.stopping else record.state.value


def agent_state_text(agent: AgentRecord) -> str:
    """The state of an Agent for people: draining is told, too."""
    if agent.draining and agent.state in (AgentState.IDLE, AgentState.BUSY):
        return f"{agent.state.value}, draining" if agent.state is AgentState.BUSY else "Drained"
    return agent.state.value


def why_jobs_wait(queue: QueueRecord, agents: Collection[AgentRecord]) -> str:
    """What holds up every job that waits for nothing of its own: the queue, or its Agents."""
    if queue.paused:
        return "the queue is paused"
    if queue.problem:
        return queue.problem
    if not agents:
        return "waits for an Agent: none is running"
    there = [agent for agent in agents if agent.state not in _GONE]
    if not there:
        return "waits for an Agent: none answers"
    if all(agent.draining for agent in there):
        return "waits for an Agent: all are drained"
    if all(agent.state is AgentState.STARTING or agent.draining for agent in there):
        return "waits for an Agent to start"
    return "waits for a free Agent"


def reason_of(record: JobRecord, why_waiting: str) -> str:
    """Why the job waits, or why it failed, or what it warns of; empty when there is nothing to explain.

    Args:
        record: the job.
        why_waiting: what `why_jobs_wait` says, for a job that waits for nothing of its own.
    """
    if record.reason:
        return record.reason
    if record.state is JobState.WAITING:
        return why_waiting
    return _own_limit(record) or record.warning


def reason_of_task(task: TaskRecord, job: JobRecord, why_waiting: str) -> str:
    """Why the task waits, or how it ended; empty when there is nothing to explain.

    Args:
        task: the task.
        job: its job. What the job says of another task of it is not taken.
        why_waiting: what `why_jobs_wait` says, for a task that waits for nothing of its own.
    """
    if task.reason or task.state is not TaskState.WAITING:
        return task.reason
    if job.reason.startswith(WAITS_FOR):
        return job.reason
    return _own_limit(job) or why_waiting


def _own_limit(job: JobRecord) -> str:
    if job.tasks_waiting and 0 < job.max_parallel <= job.tasks_running:
        return f"runs {job.max_parallel} at a time, as it was submitted"
    return ""
