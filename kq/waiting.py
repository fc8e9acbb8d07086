"""Why a job waits, as a sentence for people, when its record does not say. A leaf: pure."""

from __future__ import annotations

from collections.abc import Collection

from kq.records import AgentRecord, JobRecord, QueueRecord
from kq.states import AgentState, JobState

__all__ = ["reason_of", "why_jobs_wait"]

_GONE = (AgentState.LOST, AgentState.ENDING)


def why_jobs_wait(queue: QueueRecord, agents: Collection[AgentRecord]) -> str:
    """What holds up every job that waits for nothing of its own: the queue, or its Agents."""
    if queue.paused:
        return "the queue is paused"
    if queue.trouble:
        return queue.trouble
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
    """Why the job waits, or why it failed; empty when there is nothing to explain.

    Args:
        record: the job.
        why_waiting: what `why_jobs_wait` says, for a job that waits for nothing of its own.
    """
    if record.reason:
        return record.reason
    if record.state is JobState.WAITING:
        return why_waiting
    if record.tasks_waiting and 0 < record.max_parallel <= record.tasks_running:
        return f"runs {record.max_parallel} at a time, as it was submitted"
    return ""
