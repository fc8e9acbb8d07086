"""States and why a job waits are always said, in the words that help most."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kq.records import AgentRecord, JobRecord, QueueRecord, StoryEntry, TaskRecord
from kq.states import AgentState, JobState, TaskState, WaitReason
from kq.wording import (
    agent_state_text,
    job_state_text,
    percent_text,
    queue_wait_reason,
    reason_of,
    reason_of_task,
    story_text,
    why_jobs_wait,
)

_WAITING = JobRecord(id="job0", name="beauty", state=JobState.WAITING, submitted=0.0, order=1)
_QUEUE = QueueRecord(agents_wanted=2)


def agent(number: int, state: AgentState = AgentState.BUSY, **fields: Any) -> AgentRecord:
    return AgentRecord(
        id=f"host-{number}", host="host", pid=number, local=True, state=state, since=0.0, **fields
    )


@pytest.mark.parametrize(
    ("progress", "text"), [(0.0, "0%"), (0.357, "36%"), (0.2833, "28%"), (0.999, "99%"), (1.0, "100%")]
)
def test_a_percentage_is_rounded_and_whole_at_the_end_alone(progress: float, text: str) -> None:
    """The tab and the terminal show the same number."""
    assert percent_text(progress) == text


@pytest.mark.parametrize(
    ("state", "draining", "said"),
    [
        (AgentState.IDLE, False, "Idle"),
        (AgentState.IDLE, True, "Drained"),
        (AgentState.BUSY, True, "Busy, draining"),
        (AgentState.LOST, True, "Lost"),
    ],
)
def test_a_drained_agents_state_shows_it(state: AgentState, draining: bool, said: str) -> None:
    """While it would be given work otherwise."""
    assert agent_state_text(agent(0, state, draining=draining)) == said


def test_a_stopping_jobs_state_shows_it() -> None:
    """Its state in the core is Running until it has stopped."""
    running = msgspec.structs.replace(_WAITING, state=JobState.RUNNING)
    assert job_state_text(running) == "Running"
    assert job_state_text(msgspec.structs.replace(running, stopping=True)) == "Stopping"


def test_a_warning_is_the_reason_where_there_is_no_other() -> None:
    """A job that completed with one, for example."""
    done = msgspec.structs.replace(_WAITING, state=JobState.COMPLETED, warning="its log could not be written")
    assert reason_of(done, "") == "its log could not be written"
    assert reason_of(msgspec.structs.replace(done, reason="stopped"), "") == "stopped"
    waiting = msgspec.structs.replace(_WAITING, warning="its log could not be written")
    assert reason_of(waiting, "the queue's reason") == "the queue's reason"


def test_a_jobs_own_reason_comes_first() -> None:
    """What the core says of the job is more than what the queue as a whole may say."""
    record = msgspec.structs.replace(_WAITING, reason="waits for key (Running)")
    assert reason_of(record, "the queue's reason") == "waits for key (Running)"
    assert reason_of(_WAITING, "the queue's reason") == "the queue's reason"


@pytest.mark.parametrize(
    ("queue", "agents", "reason"),
    [
        (QueueRecord(paused=True), [], WaitReason.QUEUE_PAUSED),
        (QueueRecord(problem="a problem"), [], WaitReason.QUEUE_PROBLEM),
        (QueueRecord(problem="a problem"), [agent(0, AgentState.STARTING)], WaitReason.QUEUE_PROBLEM),
        (QueueRecord(problem="a problem"), [agent(0)], WaitReason.NO_FREE_AGENT),
        (_QUEUE, [], WaitReason.NO_AGENT),
        (
            _QUEUE,
            [agent(0, AgentState.LOST), agent(1, AgentState.ENDING)],
            WaitReason.NO_AGENT_ANSWERS,
        ),
        (
            _QUEUE,
            [agent(0, AgentState.IDLE, draining=True), agent(1, AgentState.LOST)],
            WaitReason.ALL_DRAINED,
        ),
        (_QUEUE, [agent(0, AgentState.STARTING), agent(1, draining=True)], WaitReason.AGENT_STARTING),
        (_QUEUE, [agent(0), agent(1, draining=True)], WaitReason.NO_FREE_AGENT),
    ],
)
def test_the_queue_or_its_agents_may_be_the_reason(
    queue: QueueRecord, agents: list[AgentRecord], reason: WaitReason
) -> None:
    """A paused queue, Agents that cannot start, are drained or lost: each is shown as it is."""
    assert queue_wait_reason(queue, agents) is reason
    assert (why_jobs_wait(queue, agents) == queue.problem) is (reason is WaitReason.QUEUE_PROBLEM)


def test_tasks_that_wait_for_tasks_of_their_own_job() -> None:
    """A job that may run two at a time says so while it runs two; below that, nothing holds it up."""
    record = msgspec.structs.replace(
        _WAITING, state=JobState.RUNNING, tasks=9, tasks_waiting=7, tasks_running=2, max_parallel=2
    )
    assert " 2 tasks " in reason_of(record, "")
    assert reason_of(msgspec.structs.replace(record, tasks_running=1), "") == ""
    assert reason_of(msgspec.structs.replace(record, tasks_waiting=0), "") == ""


def test_a_job_that_does_not_wait_needs_no_reason() -> None:
    """Nothing is made up for what runs or is over."""
    record = msgspec.structs.replace(_WAITING, state=JobState.RUNNING)
    assert reason_of(record, "the queue's reason") == ""


def test_a_waiting_task_has_a_reason() -> None:
    """In the words of its job: what went wrong with it, jobs before its own, its job's limit, the queue."""
    task = TaskRecord(job_id="job0", index=3, state=TaskState.WAITING)
    assert reason_of_task(task, _WAITING, "the queue's reason") == "the queue's reason"
    after = msgspec.structs.replace(
        _WAITING, reason="waits for key (Running)", wait_reason=WaitReason.DEPENDENCIES
    )
    assert reason_of_task(task, after, "the queue's reason") == "waits for key (Running)"
    limited = msgspec.structs.replace(
        _WAITING, state=JobState.RUNNING, tasks=9, tasks_waiting=7, tasks_running=2, max_parallel=2
    )
    assert reason_of_task(task, limited, "the queue's reason") == reason_of(limited, "")
    lost = msgspec.structs.replace(task, reason="its Agent was silent for 13 s; waits again")
    assert reason_of_task(lost, after, "the queue's reason") == "its Agent was silent for 13 s; waits again"


def test_a_task_does_not_take_what_happened_to_another() -> None:
    """The job's reason may be that of a task that failed, or was lost; the next one waits for an Agent."""
    task = TaskRecord(job_id="job0", index=3, state=TaskState.WAITING)
    for other in ("frame 2: exit code 1", "its Agent was killed; waits again"):
        job = msgspec.structs.replace(_WAITING, reason=other)
        assert reason_of_task(task, job, "the queue's reason") == "the queue's reason"
    for state in set(TaskState) - {TaskState.WAITING}:
        over = msgspec.structs.replace(task, state=state)
        assert reason_of_task(over, _WAITING, "the queue's reason") == ""


def test_a_step_of_a_story_has_time_task_state_and_reason() -> None:
    text = story_text(StoryEntry(1_700_000_000.25, TaskState.WAITING, 4, reason="its Agent was lost"))
    assert text.endswith(".250 task 5: Waiting (its Agent was lost)")
    text = story_text(StoryEntry(1_700_000_000.25, TaskState.RUNNING, 0, agent="a1"))
    assert text.endswith(" task 1: Running on a1")
    text = story_text(StoryEntry(1_700_000_000.25, TaskState.CANCELLED, None, 7))
    assert text.endswith(" 7 tasks: Cancelled")
