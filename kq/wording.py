"""Texts for the states of jobs and Agents, and why they wait, in the tab and the terminal. A leaf: pure."""

from __future__ import annotations

import time
from collections.abc import Collection

from .records import AgentRecord, JobRecord, QueueRecord, StoryEntry, TaskRecord
from .states import AgentState, JobState, TaskState, WaitReason

__all__ = [
    "agent_state_text",
    "job_state_text",
    "not_saved_text",
    "percent_text",
    "queue_wait_reason",
    "reason_of",
    "reason_of_task",
    "story_text",
    "warning_text",
    "why_jobs_wait",
]

_GONE = (AgentState.LOST, AgentState.ENDING)
# Each text starts with what matters, because narrow columns show only its first words.
_WAIT_TEXTS = {
    WaitReason.QUEUE_PAUSED: "the queue is paused",
    WaitReason.NO_AGENT: "no Agent is running",
    WaitReason.NO_AGENT_ANSWERS: "no Agent responds",
    WaitReason.ALL_DRAINED: "all Agents are drained",
    WaitReason.AGENT_STARTING: "an Agent is starting",
    WaitReason.NO_FREE_AGENT: "all Agents are busy",
}


def job_state_text(record: JobRecord) -> str:
    """Return the state of a job; Stopping while it is being stopped."""
    return "Stopping" if record.stopping else record.state.value


def percent_text(progress: float) -> str:
    """Return a progress of 0 to 1 as a rounded percentage; 100% only at the end."""
    return f"{100 if progress >= 1.0 else min(round(progress * 100), 99)}%"


def agent_state_text(agent: AgentRecord) -> str:
    """Return the state of an Agent, with draining or Drained."""
    if agent.draining and agent.state in (AgentState.IDLE, AgentState.BUSY):
        return f"{agent.state.value}, draining" if agent.state is AgentState.BUSY else "Drained"
    return agent.state.value


def queue_wait_reason(queue: QueueRecord, agents: Collection[AgentRecord]) -> WaitReason:
    """Return why jobs without a reason of their own wait: because of the queue, or its Agents."""
    if queue.paused:
        return WaitReason.QUEUE_PAUSED
    present = [agent for agent in agents if agent.state not in _GONE]
    if queue.problem and all(agent.state is AgentState.STARTING for agent in present):
        return WaitReason.QUEUE_PROBLEM  # while Agents work, jobs do not wait because of it
    if not agents:
        return WaitReason.NO_AGENT
    if not present:
        return WaitReason.NO_AGENT_ANSWERS
    if all(agent.draining for agent in present):
        return WaitReason.ALL_DRAINED
    if all(agent.state is AgentState.STARTING or agent.draining for agent in present):
        return WaitReason.AGENT_STARTING
    return WaitReason.NO_FREE_AGENT


def why_jobs_wait(queue: QueueRecord, agents: Collection[AgentRecord]) -> str:
    """Return the text for `queue_wait_reason`."""
    reason = queue_wait_reason(queue, agents)
    return queue.problem if reason is WaitReason.QUEUE_PROBLEM else _WAIT_TEXTS[reason]


def reason_of(record: JobRecord, why_waiting: str) -> str:
    """Return why the job waits or failed, or its warnings; empty when there are none of these.

    Args:
        record: the job.
        why_waiting: the text of `why_jobs_wait`, for a job without a reason of its own.
    """
    if record.reason:
        return record.reason
    if record.state is JobState.WAITING and not record.farm:
        return why_waiting
    return _own_limit(record) or warning_text(record)


def reason_of_task(task: TaskRecord, job: JobRecord, why_waiting: str) -> str:
    """Return why the task waits, how it ended, or its warnings; empty when there are none of these.

    Args:
        task: the task.
        job: its job, whose reason is used if it applies to all tasks.
        why_waiting: the text of `why_jobs_wait`, for a task without a reason of its own.
    """
    if task.reason:
        return task.reason
    if task.state is not TaskState.WAITING:
        return warning_text(task)
    if job.farm:
        return ""
    if job.wait_reason is WaitReason.DEPENDENCIES:
        return job.reason
    return _own_limit(job) or why_waiting


def warning_text(record: JobRecord | TaskRecord) -> str:
    """Return the number of warnings and one of them: `3 warnings: cannot find wood.png`; or empty."""
    if not record.warnings:
        return record.warning
    count = "1 warning" if record.warnings == 1 else f"{record.warnings:,} warnings"
    return f"{count}: {record.warning}" if record.warning else count


def not_saved_text(job: str) -> str:
    """Return the warning that a submitted job is queued, but not in the journal.

    Args:
        job: its name or id.
    """
    return (
        f"{job} is queued, but not saved: the queue cannot write its journal, and loses the job when it ends"
    )


def story_text(entry: StoryEntry) -> str:
    """Return an entry of a job's story, in local time: `2026-11-29 20:15:02.123 task 3: Running on a1`."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time))
    if entry.task is not None:
        what = f"task {entry.task + 1}"
    else:
        what = "1 task" if entry.tasks == 1 else f"{entry.tasks} tasks"
    became = entry.state.value if entry.outcome is None else f"attempt {entry.outcome}"
    text = f"{moment}.{int(entry.time % 1 * 1000):03} {what}: {became}"
    if entry.agent:
        text += f" on {entry.agent}"
    return f"{text} ({entry.reason})" if entry.reason else text


def _own_limit(job: JobRecord) -> str:
    if job.tasks_waiting and 0 < job.max_parallel <= job.tasks_running:
        return f"runs {job.max_parallel} tasks at a time, as it was submitted"
    return ""
