"""What follows from the wishes of clients, as lists of instructions; stop and start apart."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    AgentChanged,
    AskStop,
    Assign,
    AttemptOver,
    JobChanged,
    JobRemoved,
    QueueChanged,
    TaskChanged,
    TasksReset,
)
from kq.errors import BadInput, NotFound, Refused
from kq.states import JobState, TaskState, WaitReason
from tests.core.driver import Driver, assigned, ended, only

# --- submit -------------------------------------------------------------------------------


def test_a_submitted_job_waits_when_no_agent_is_free() -> None:
    """Its record is news, nothing else."""
    q = Driver()
    assert q.submit("job1") == [JobChanged("job1")]
    record = q.core.job_record("job1")
    assert (record.state, record.tasks, record.order, record.submitted) == (
        JobState.WAITING, 1, 1, q.now.wall
    )  # fmt: skip


def test_a_submitted_job_is_given_to_an_idle_agent_at_once() -> None:
    """No tick stands between."""
    q = Driver()
    q.register("r1")
    assert q.submit("job1") == [
        JobChanged("job1"),
        TaskChanged("job1", 0),
        AgentChanged("r1"),
        Assign("r1", 1, "job1", 0, 1),
    ]


def test_the_same_id_again_is_the_same_job() -> None:
    """A client that heard no answer sends again; nothing happens twice."""
    q = Driver()
    q.submit("job1")
    assert q.submit("job1", name="other") == []
    assert q.core.job_spec("job1").name == "name of job1"


def test_an_invalid_job_changes_nothing() -> None:
    """The sentence comes, no job does, and the order of submission has no gap."""
    q = Driver()
    with pytest.raises(BadInput, match="write 1-10"):
        q.submit("job1", frames="10-1")
    with pytest.raises(BadInput, match=r"\.\./\.\./etc"):
        q.submit("../../etc")
    assert q.core.job_ids() == []
    q.submit("job1")
    assert q.core.job_record("job1").order == 1


def test_nothing_is_taken_when_the_session_ends() -> None:
    """Submitting and starting are refused with a sentence; a job that is known already is not."""
    q = Driver()
    q.submit("job1")
    q.feed(ev.SessionEnding())
    assert q.submit("job1") == []
    with pytest.raises(Refused):
        q.submit("job2")
    with pytest.raises(Refused):
        q.start("job1")
    with pytest.raises(Refused):
        q.start_tasks("job1", 0)


def test_an_id_that_is_being_removed_is_refused() -> None:
    """Saying that the job is accepted, and forgetting it, would lose it."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.remove("job1")
    with pytest.raises(Refused, match="job1"):
        q.submit("job1")


@pytest.mark.parametrize("wish", [ev.JobsStarted, ev.JobsStopped, ev.JobsRemoved])
def test_one_unknown_job_leaves_all_untouched(wish: type[ev.JobsStopped]) -> None:
    """All are known or none is touched."""
    q = Driver()
    q.submit("job1")
    with pytest.raises(NotFound, match=r"\bgone\b"):
        q.feed(wish(("job1", "gone")))
    assert q.core.job_record("job1").state == "Waiting"


def test_handle_knows_every_event() -> None:
    """A new event without a handler would fail at the first of its kind."""
    from kq.core.machine import _HANDLERS

    events = {getattr(ev, name) for name in ev.__all__} - {ev.CoreEvent}
    assert set(_HANDLERS) == events


# --- remove -------------------------------------------------------------------------------


def test_removing_a_job_that_is_over_forgets_it() -> None:
    """At once, and entirely."""
    q = Driver()
    q.submit("job1")
    assert q.remove("job1") == [TasksReset("job1"), JobRemoved("job1")]
    assert q.core.job_ids() == []
    with pytest.raises(NotFound):
        q.core.job_record("job1")


def test_removing_a_running_job_stops_it_first() -> None:
    """It is forgotten when it is seen gone, and cannot be touched meanwhile."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    assert q.remove("job1") == [JobChanged("job1"), TaskChanged("job1", 0), AskStop("r1", "job1/0/1")]
    assert q.state("job1") is TaskState.STOPPING and "removed" in q.reason("job1")
    with pytest.raises(NotFound):
        q.start("job1")
    done = q.end("r1", "job1/0/1", "stopped")
    assert only(done, AttemptOver, JobRemoved) == [done[0], JobRemoved("job1")]
    assert q.core.agent_record("r1").state == "Idle"


# --- priority, pause, Agents, limits ------------------------------------------------------


def test_a_new_priority_changes_the_order_of_what_waits() -> None:
    """It is told, and counts from the next assignment on."""
    q = Driver()
    for number in range(3):
        q.submit(f"job{number}")
    assert q.feed(ev.PrioritySet(("job2",), 5)) == [JobChanged("job2")]
    assert q.feed(ev.PrioritySet(("job2",), 5)) == []
    assert assigned(q.register("r1")) == [("r1", "job2", 0)]
    with pytest.raises(BadInput, match="2000000"):
        q.feed(ev.PrioritySet(("job1",), 2_000_000))


def test_a_paused_queue_gives_nothing_and_lets_run_what_runs() -> None:
    """Resuming gives at once."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1")
    assert q.feed(ev.QueuePaused(True)) == [QueueChanged()]
    assert q.feed(ev.QueuePaused(True)) == []
    assert q.submit("job2") == [JobChanged("job2")]
    assert q.core.queue_record().paused
    assert q.state("job1") is TaskState.RUNNING
    assert assigned(q.feed(ev.QueuePaused(False))) == [("r2", "job2", 0)]


def test_a_draining_agent_ends_its_task_and_takes_no_other() -> None:
    """Until it is told to take work again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    assert q.feed(ev.AgentsDrained(("r1",), draining=True)) == [AgentChanged("r1")]
    assert q.feed(ev.AgentsDrained(("r1",), draining=True)) == []
    assert assigned(q.end("r1", "job1/0/1")) == []
    assert q.core.agent_record("r1").draining
    assert assigned(q.feed(ev.AgentsDrained(("r1",), draining=False))) == [("r1", "job1", 1)]


def test_an_agent_that_is_ended_gives_its_task_back_without_a_mark() -> None:
    """However often somebody restarts Agents, the task is not given up for it."""
    q = Driver(max_agent_losses=0)
    q.register("r1")
    q.submit("job1")
    [changed, order] = q.feed(ev.AgentEndRequested(("r1",)))
    assert changed == AgentChanged("r1") and ended([order]) == [("r1", False, False)]
    assert q.feed(ev.AgentEndRequested(("r1",))) == []
    q.end("r1", "job1/0/1", "stopped", reason="its own reason")
    assert q.state("job1") is TaskState.WAITING
    assert q.reason("job1").startswith("its own reason; ")
    assert q.wait_reason("job1") is WaitReason.REQUEUED
    q.gone("r1")
    q.register("r2")
    q.feed(ev.AgentEndRequested(("r2",)))
    q.gone("r2", "exit code 0")
    assert q.state("job1") is TaskState.WAITING
    assert q.wait_reason("job1") is WaitReason.REQUEUED
    with pytest.raises(NotFound, match=r"\br2\b"):
        q.feed(ev.AgentEndRequested(("r2",)))


def test_an_agent_that_does_not_answer_is_ended_by_force() -> None:
    """Asking it would wait for nothing."""
    q = Driver()
    q.register("r1")
    q.tick(4.0)
    assert q.core.agent_record("r1").state == "Lost"
    assert ended(q.feed(ev.AgentEndRequested(("r1",)))) == [("r1", True, False)]


@pytest.mark.parametrize("count", [-1, 1001])
def test_an_invalid_number_of_agents_is_refused(count: int) -> None:
    """And the old number stays."""
    q = Driver(agents=2)
    with pytest.raises(BadInput, match=rf" {count}\b"):
        q.feed(ev.AgentCountSet(count))
    assert q.core.queue_record().agents_wanted == 2


def test_a_job_has_no_more_tasks_at_once_than_it_allows() -> None:
    """The Agents that are left go to the next job."""
    q = Driver()
    q.submit("job1", frames="1-9", max_parallel=2)
    q.submit("job2")
    given = [each for number in range(4) for each in assigned(q.register(f"r{number}"))]
    assert given == [("r0", "job1", 0), ("r1", "job1", 1), ("r2", "job2", 0)]
    assert assigned(q.end("r0", "job1/0/1")) == [("r0", "job1", 2)]


def test_a_draining_agent_does_not_stand_before_the_others() -> None:
    """It would be the next; the one after it is given the task at once."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    assert assigned(q.submit("job1")) == [("r2", "job1", 0)]
