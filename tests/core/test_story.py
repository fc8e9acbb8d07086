"""Each job keeps its story: what became of its tasks, with times."""

from __future__ import annotations

import pytest

from kq.core.jobs import _MAX_STORY
from kq.errors import IllegalTransition
from kq.records import StoryEntry
from kq.states import TaskState
from tests.core.driver import Driver


def story(q: Driver, job_id: str) -> list[StoryEntry]:
    return q.core.job(job_id).story


def test_each_transition_is_kept_with_its_time_its_agent_and_its_reason() -> None:
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    given = q.now.wall
    q.mono += 5
    q.end("r1", "job1/0/1", "failed", exit_code=3)
    again = q.now.wall
    q.register("r2")
    q.end("r2", "job1/0/2")
    steps = [(each.time, each.state, each.task, each.agent, each.reason) for each in story(q, "job1")]
    assert steps[:2] == [
        (given, TaskState.RUNNING, 0, "r1", ""),
        (again, TaskState.WAITING, 0, "", "exit code 3 (try 1 of 2)"),
    ]
    assert [each.state for each in story(q, "job1")[2:3]] == [TaskState.RUNNING]


def test_many_tasks_that_change_at_once_are_one_step() -> None:
    q = Driver()
    q.submit("job1", frames="1-1000")
    q.stop("job1")
    q.start("job1")
    steps = story(q, "job1")
    assert [(each.state, each.task, each.tasks) for each in steps] == [
        (TaskState.CANCELLED, None, 1000),
        (TaskState.WAITING, None, 1000),
    ]
    assert all(each.reason for each in steps)


def test_of_a_long_story_the_end_is_kept() -> None:
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-80")
    for task in range(80):
        q.end("r1", f"job1/{task}/1")
    assert len(story(q, "job1")) == _MAX_STORY
    assert q.core.job("job1").story_omitted == 160 - _MAX_STORY
    assert story(q, "job1")[-1].task == 79


def test_an_illegal_transition_holds_the_story() -> None:
    q = Driver()
    q.register("r1")
    q.submit("job1")
    with pytest.raises(IllegalTransition, match=r"Running to Running.*Running on r1"):
        q.core.job("job1").set_task_state(0, TaskState.RUNNING)
