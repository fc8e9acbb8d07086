"""What follows when clients stop jobs and start them again, as lists of instructions."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core import instructions as do
from kq.core.instructions import (
    AgentChanged,
    AskStop,
    Assign,
    JobChanged,
    TaskChanged,
    TasksReset,
)
from kq.errors import NotFound
from kq.states import TaskState, WaitReason
from tests.core.driver import Driver, assigned, only

# --- stop ---------------------------------------------------------------------------------


def test_stopping_a_waiting_job_cancels_it() -> None:
    """All its tasks at once; it is over now, and says why."""
    q = Driver()
    q.submit("job1", frames="1-3")
    assert q.stop("job1") == [TasksReset("job1")]
    record = q.core.job_record("job1")
    assert (record.state, record.reason, record.completed) == ("Cancelled", "stopped", q.now.wall)
    assert record.progress is None


def test_stopping_a_running_job_asks_its_agents() -> None:
    """What waits is cancelled; what runs is Stopping until it is seen gone."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    assert q.stop("job1") == [
        TasksReset("job1"),
        TaskChanged("job1", 0),
        AskStop("r1", "job1/0/1"),
    ]
    assert q.states("job1") == "pxx"
    assert q.core.job_record("job1").stopping
    q.end("r1", "job1/0/1", "stopped", stop_method="asked", exit_code=-15)
    assert q.states("job1") == "xxx"
    assert not q.core.job_record("job1").stopping


def test_stopping_twice_asks_once() -> None:
    """And a job that is over stays as it is."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    assert q.stop("job1") == []
    q.end("r1", "job1/0/1", "stopped")
    assert q.stop("job1") == []
    assert q.state("job1") is TaskState.CANCELLED


def test_a_render_that_ends_well_while_being_stopped_is_completed() -> None:
    """What is done is done."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.end("r1", "job1/0/1")
    assert q.core.job_record("job1").state == "Completed"
    assert q.reason("job1") == ""


def test_a_stop_does_not_hide_why_a_task_failed() -> None:
    """The job is Failed, and its reason is the failure's."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    q.end("r1", "job1/0/1", "failed", exit_code=2, reason="no licence")
    q.stop("job1")
    q.end("r1", "job1/1/1", "stopped")
    assert q.core.job_record("job1").state == "Failed"
    assert q.reason("job1") == "frame 1: no licence"


# --- start --------------------------------------------------------------------------------


def test_starting_a_failed_job_runs_what_is_not_completed() -> None:
    """Completed frames are kept; the others wait again with a clean record."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1")
    q.end("r1", "job1/1/1", "failed", exit_code=1, reason="no light")
    assert q.start("job1") == [
        TasksReset("job1"),
        TaskChanged("job1", 1),
        AgentChanged("r1"),
        Assign("r1", 3, "job1", 1, 2),
    ]
    assert q.states("job1") == "cr"
    record = q.core.job_record("job1")
    assert (record.reason, record.exit_code, record.completed) == ("", None, None)


def test_starting_a_completed_job_runs_all_of_it() -> None:
    """That is what an artist means by it."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1")
    q.end("r1", "job1/1/1")
    q.mono += 5
    q.start("job1")
    assert q.states("job1") == "rw"
    assert q.core.job_record("job1").started == q.now.wall


def test_starting_what_waits_or_runs_changes_nothing() -> None:
    """A second click is harmless."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    assert q.start("job1") == []
    assert q.states("job1") == "rw"


def test_starting_what_is_being_stopped_waits_for_it_to_be_gone() -> None:
    """It is never given out again before; the job says so."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1")
    q.stop("job1")
    assert q.start("job1") == [JobChanged("job1")]
    assert q.core.job_record("job1").wait_reason is WaitReason.RESTART
    assert q.start("job1") == []
    assert q.state("job1") is TaskState.STOPPING
    assert assigned(q.end("r1", "job1/0/1", "stopped")) == [("r1", "job1", 0)]
    assert q.reason("job1") == ""


def test_a_stop_takes_back_a_start() -> None:
    """The last wish counts."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.start("job1")
    q.stop("job1")
    q.end("r1", "job1/0/1", "stopped")
    assert q.state("job1") is TaskState.CANCELLED


def test_a_task_started_again_while_stopping_runs_again_though_it_completed() -> None:
    """Start was asked for after the stop: the old result is not what is wanted."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.start_tasks("job1", 0)
    assert assigned(q.end("r1", "job1/0/1")) == [("r1", "job1", 0)]
    q.end("r1", "job1/0/2")
    assert q.state("job1") is TaskState.COMPLETED


def test_starting_one_completed_task_leaves_the_others() -> None:
    """Each task that moves is told; the job is open again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    for task in range(3):
        q.end("r1", f"job1/{task}/1")
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    assert q.start_tasks("job1", 1) == [TaskChanged("job1", 1)]
    assert q.states("job1") == "cwc"
    record = q.core.job_record("job1")
    assert (record.state, record.completed, record.started) == ("Waiting", None, None)
    assert q.start_tasks("job1", 1) == []


def test_starting_one_of_two_failed_tasks_keeps_the_other_reason() -> None:
    """A job that is Failed in the end must not say nothing."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1", "failed", exit_code=1, reason="no light")
    q.end("r1", "job1/1/1", "failed", exit_code=1, reason="no camera")
    assert q.reason("job1") == "frame 2: no camera"
    q.start_tasks("job1", 1)
    assert q.reason("job1") == "frame 1: no light"
    q.end("r1", "job1/1/2")
    assert (q.core.job_record("job1").state, q.reason("job1")) == ("Failed", "frame 1: no light")


def test_stopping_single_tasks_leaves_the_others() -> None:
    """One that runs is ended, one that waits is cancelled; the rest of the job goes on."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-4")
    assert only(q.stop_tasks("job1", 0), do.AskStop) == [do.AskStop("r1", "job1/0/1")]
    q.stop_tasks("job1", 2)
    assert q.states("job1") == "pwxw"
    assert assigned(q.end("r1", "job1/0/1", "stopped")) == [("r1", "job1", 1)]
    assert q.states("job1") == "xrxw"
    q.end("r1", "job1/1/1")
    q.stop_tasks("job1", 3)
    q.end("r1", "job1/3/1", "stopped")
    assert q.states("job1") == "xcxx"
    completed = q.core.job_record("job1").completed
    assert completed is not None
    q.mono += 50
    assert q.stop_tasks("job1", 1) == []
    assert q.core.job_record("job1").completed == completed


def test_an_agent_names_its_task_as_the_task_does() -> None:
    """By its frames."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="7-8")
    assert q.core.agent_record("r1").task_label == q.core.task_records("job1", 0, 1)[0].label == "frame 7"
    q.stop("job1")
    q.end("r1", "job1/0/1", "stopped")
    assert q.core.agent_record("r1").task_label == ""


@pytest.mark.parametrize("task", [-1, 3])
def test_a_task_that_is_not_there_is_refused(task: int) -> None:
    """By a sentence that says how many there are; the good one beside it is left alone."""
    q = Driver()
    q.submit("job1", frames="1-3")
    q.stop("job1")
    with pytest.raises(NotFound, match=rf"task {task + 1}\b.* 3\b"):
        q.start_tasks("job1", 0, task)
    assert q.states("job1") == "xxx"


def test_retries_and_losses_count_from_zero_after_a_start() -> None:
    """A start is a fresh chance."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    q.end("r1", "job1/0/2", "failed", exit_code=1)
    assert q.state("job1") is TaskState.FAILED
    q.start("job1")
    q.end("r1", "job1/0/3", "failed", exit_code=1)
    assert q.state("job1") is TaskState.RUNNING


def test_a_started_task_forgets_what_went_wrong() -> None:
    """Reason, warning, end and progress are those of the attempt to come."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    q.end("r1", "job1/0/2", "failed", exit_code=1, reason="no light", warning="odd", progress=0.5)
    before = q.core.task_records("job1", 0, 1)[0]
    assert (before.reason, before.warning, before.retries_used) == ("no light", "odd", 1)
    q.feed(ev.QueuePaused(True))
    q.start_tasks("job1", 0)
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.reason, task.warning, task.progress, task.ended, task.retries_used) == (
        "", "", None, None, 0
    )  # fmt: skip


def test_a_task_that_never_ran_can_be_started() -> None:
    """It has no past to forget."""
    q = Driver()
    q.submit("job1", frames="1-2")
    q.stop("job1")
    q.start_tasks("job1", 1)
    assert q.states("job1") == "xw"


def test_several_tasks_that_are_being_stopped_are_started_together() -> None:
    """It is news when one of them is."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", frames="1-2")
    q.stop("job1")
    q.start_tasks("job1", 0)
    assert q.start_tasks("job1", 1, 0) == [JobChanged("job1")]
    assert q.start_tasks("job1", 0, 1) == []
    q.end("r1", "job1/0/1", "stopped")
    q.end("r2", "job1/1/1", "stopped")
    assert q.states("job1") == "rr"


def test_starting_a_job_that_runs_leaves_its_completed_tasks() -> None:
    """Only a job that is over and all Completed is run again whole."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    q.end("r1", "job1/0/1")
    assert q.start("job1") == []
    assert q.states("job1") == "crw"


def test_a_started_job_forgets_its_warning() -> None:
    """It was about what ran before."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1", warning="texture missing")
    q.end("r1", "job1/1/1")
    assert q.core.job_record("job1").warning == "texture missing"
    q.start("job1")
    assert q.core.job_record("job1").warning == ""


def test_the_first_of_several_failed_tasks_gives_the_reason_that_is_left() -> None:
    """When the one that gave it last is started again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    for task in range(3):
        q.end("r1", f"job1/{task}/1", "failed", exit_code=task + 1)
    q.start_tasks("job1", 2)
    assert q.reason("job1") == "frame 1: exit code 1"
