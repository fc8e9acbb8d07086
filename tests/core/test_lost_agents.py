"""What follows when an Agent is gone: its task is not lost, not run twice, and given up in the end."""

from __future__ import annotations

from pathlib import Path

from kq.core import events as ev
from kq.core.instructions import (
    AgentChanged,
    AgentRemoved,
    AskToRegister,
    AttemptOver,
)
from kq.records import AttemptRecord
from kq.states import TaskState, WaitReason
from tests.core.driver import Driver, assigned, only


def test_a_dead_agents_task_waits_again() -> None:
    """The attempt is history, the render did not fail, the job says why it waits."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    done = q.gone("r1", "it was killed by signal 9")
    assert done[0] == AgentRemoved("r1")
    over = only(done, AttemptOver)
    assert [(each.record.outcome, each.record.stop_method, each.record.host) for each in over] == [  # type: ignore[attr-defined]
        ("agent-lost", "", "host")
    ]
    assert q.reason("job1").startswith("it was killed by signal 9; ")
    assert q.wait_reason("job1") is WaitReason.REQUEUED
    assert q.gone("r1") == []
    assert assigned(q.register("r2")) == [("r2", "job1", 0)]
    assert q.reason("job1") == ""


def test_a_task_that_loses_too_many_agents_is_given_up() -> None:
    """Three times it is queued again; the fourth loss fails it, with the story."""
    q = Driver()
    q.submit("job1")
    for number in range(4):
        q.register(f"r{number}")
        q.gone(f"r{number}", "out of memory")
    assert q.state("job1") is TaskState.FAILED
    assert q.reason("job1").startswith("out of memory (") and "4 Agents" in q.reason("job1")


def test_a_dead_agents_task_that_was_being_stopped_is_cancelled() -> None:
    """That is what was wanted; started again meanwhile, it waits."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.gone("r1")
    assert q.state("job1") is TaskState.CANCELLED
    q.register("r2")
    q.start("job1")
    q.stop("job1")
    q.start("job1")
    q.gone("r2")
    assert q.state("job1") is TaskState.WAITING


def test_a_late_word_of_a_dead_agent_changes_nothing() -> None:
    """Its task is somebody else's now."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.gone("r1")
    q.register("r2")
    assert q.end("r1", "job1/0/1") == []
    assert q.state("job1") is TaskState.RUNNING
    assert q.heartbeat("r1") == [AskToRegister("r1")]


def test_a_silent_agents_report_of_an_ending_still_counts() -> None:
    """It is lost, not gone; it gets no work before it is heard."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.tick(6.0)
    assert assigned(q.end("r1", "job1/0/1")) == []
    assert q.states("job1") == "cw"
    assert assigned(q.heartbeat("r1", assign_number=1)) == [("r1", "job1", 1)]


def test_the_end_of_the_session_is_no_mark_against_a_task() -> None:
    """However many sessions it outlives."""
    q = Driver(max_agent_losses=0)
    q.register("r1")
    q.submit("job1")
    q.feed(ev.SessionEnding())
    q.gone("r1")
    assert q.state("job1") is TaskState.WAITING
    assert q.core.task_records("job1", 0, 1)[0].agent_losses == 0


def test_the_attempt_of_a_dead_agent_records_what_is_known() -> None:
    """A local one was seen killed with its processes; the task says why and when."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    q.submit("job1")
    started = q.now.wall
    q.mono += 3.0
    over = only(q.gone("a1", "out of memory"), AttemptOver)
    assert over == [
        AttemptOver(
            AttemptRecord(
                job_id="job1", task=0, attempt=1, agent="a1", host="host", started=started,
                ended=q.now.wall, outcome="agent-lost", reason="out of memory", stop_method="killed",
                log_file=str(Path("logs/job1/0.1.log")),
            )
        )
    ]  # fmt: skip
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.ended, task.reason) == (q.now.wall, q.reason("job1"))
    assert task.reason.startswith("out of memory; ")


def test_a_stopped_task_of_a_dead_agent_is_cancelled_as_stopped() -> None:
    """That is what the artist wanted; started again, it says nothing."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", frames="1-2")
    q.stop("job1")
    q.start_tasks("job1", 1)
    q.gone("r1")
    q.gone("r2")
    assert [task.reason for task in q.core.task_records("job1", 0, 2)] == ["stopped", ""]


def test_a_job_that_lost_one_of_two_agents_runs_without_a_reason() -> None:
    """Why a task waits is no reason of a job that runs."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", frames="1-2")
    q.gone("r1")
    record = q.core.job_record("job1")
    assert (record.state, record.reason) == ("Running", "")


def test_an_ending_from_a_silent_agent_is_published() -> None:
    """Its record is another: it has no task."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.tick(6.0)
    assert q.end("r1", "job1/0/1")[-1] == AgentChanged("r1")
    record = q.core.agent_record("r1")
    assert (record.state, record.job) == ("Lost", "")
