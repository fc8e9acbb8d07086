"""A job's story as the queue reports it, also after a restart of its server."""

from __future__ import annotations

from pathlib import Path

from kq.core.jobs import Job
from kq.records import AttemptRecord, JobSpec
from kq.server.story import story_of
from kq.states import Outcome, TaskState
from tests.support.commands import fails
from tests.support.live_queue import LiveQueue, kill, until


def record(task: int, started: float, ended: float, outcome: Outcome) -> AttemptRecord:
    return AttemptRecord(
        job_id="job1", task=task, attempt=1, agent="a1", host="h", started=started, ended=ended,
        outcome=outcome,
    )  # fmt: skip


def test_what_was_before_a_restart_is_derived_from_the_attempts() -> None:
    """What the core kept since is not listed twice."""
    job = Job("job1", JobSpec(name="n", commands=(("true",),), frames="1-2"), 1, 100.0)
    job.restore_states(bytes(job.states))
    job.set_task_state(0, TaskState.RUNNING, 110.0, "a1")
    job.set_task_state(0, TaskState.COMPLETED, 111.0)
    attempts = [record(1, 101.0, 102.0, Outcome.FAILED), record(0, 110.0, 111.0, Outcome.COMPLETED)]
    job.attempts = 2
    entries, omitted = story_of(job, attempts)
    assert omitted == 0
    assert [(each.time, each.state, each.task, each.outcome) for each in entries] == [
        (100.0, TaskState.WAITING, None, None),
        (101.0, TaskState.RUNNING, 1, None),
        (102.0, TaskState.WAITING, 1, Outcome.FAILED),
        (110.0, TaskState.RUNNING, 0, None),
        (111.0, TaskState.COMPLETED, 0, None),
    ]


def test_attempts_that_the_journal_does_not_return_are_counted() -> None:
    """A job of an earlier session with more attempts than are read; one that was never restored has all."""
    job = Job("job1", JobSpec(name="n", commands=(("true",),), frames="1-3"), 1, 100.0)
    job.attempts = 3
    attempts = [record(2, 101.0, 102.0, Outcome.COMPLETED)]
    assert story_of(job, attempts)[1] == 0
    job.restore_states(bytes(job.states))
    assert story_of(job, attempts)[1] == 4


def test_attempts_after_a_restart_are_not_counted_twice() -> None:
    """All entries are listed or counted: here two for each of 3,000 tasks, a third of them before."""
    job = Job("job1", JobSpec(name="n", commands=(("true",),), frames="1-3000"), 1, 100.0)
    for task in range(3000):
        job.set_task_state(task, TaskState.RUNNING, 200.0 + task)
        if task == 1000:  # this one runs on, over the restart
            job.attempts = 1001
            job.restore_states(bytes(job.states))
            job.story, job.story_omitted = [], 0
        job.set_task_state(task, TaskState.COMPLETED, 200.5 + task)
    job.attempts = 3000
    last = [record(task, 200.0 + task, 200.5 + task, Outcome.COMPLETED) for task in range(2000, 3000)]
    for read in (last, [record(999, 1199.0, 1199.5, Outcome.COMPLETED), *last]):
        entries, omitted = story_of(job, read)
        assert len(entries) + omitted == 1 + 2 * 3000


def test_kq_log_prints_the_story_also_after_the_server_died(tmp_path: Path) -> None:
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_agents()
        job = queue.submit(*fails(2), retries=1)
        queue.await_job(job)
        before = queue.kq("log", "--story", job).stdout.splitlines()
        assert [line.split(": ")[1].partition(" ")[0] for line in before] == [
            "Waiting", "Running", "Waiting", "Running", "Completed",
        ]  # fmt: skip
        assert "submitted" in before[0]
        assert "(try 1 of 2)" in before[2]
        kill(queue.server_pid)
        after = until(lambda: queue.kq("log", "--story", job).stdout.splitlines(), "the story")
        assert len(after) == len(before)
        assert Outcome.FAILED in after[2]
        assert Outcome.COMPLETED in after[4]
