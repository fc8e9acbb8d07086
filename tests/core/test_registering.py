"""What follows when Agents register and send heartbeats, in whatever order and however often."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    Acknowledge,
    AgentChanged,
    AgentRemoved,
    AskToRegister,
    Assign,
    EndAgent,
    TaskChanged,
)
from kq.states import AgentState, TaskState
from tests.core.driver import Driver, assigned, ended, ending, only

# --- registering --------------------------------------------------------------------------


def test_an_agent_that_registers_is_answered_and_given_work() -> None:
    """The answer comes before the work, so that its lease has begun."""
    q = Driver()
    q.submit("job1")
    assert q.register("r1") == [
        AgentChanged("r1"),
        AgentChanged("r1"),
        Acknowledge("r1", 0, "", False, ()),
        TaskChanged("job1", 0),
        AgentChanged("r1"),
        Assign("r1", 1, "job1", 0, 1),
    ]
    record = q.core.agent_record("r1")
    assert (record.state, record.job, record.task, record.host, record.pid) == (
        AgentState.BUSY, "job1", 0, "host", 100
    )  # fmt: skip


def test_a_registration_that_arrives_twice_gives_the_order_twice() -> None:
    """It has the same number: whoever saw it ignores it. Taking the task back could run it on two Agents."""
    q = Driver()
    q.register("r2")
    q.submit("job1")
    again = q.register("r2", assign_number=0)
    assert only(again, Assign) == [Assign("r2", 1, "job1", 0, 1)]
    assert q.state("job1") is TaskState.RUNNING


def test_an_agent_that_comes_back_with_its_task_keeps_it() -> None:
    """Nothing is given twice."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.tick(6.0)
    assert q.core.agent_record("r1").state == "Lost"
    back = q.register("r1", attempt="job1/0/1", assign_number=1)
    assert only(back, Assign) == []
    record = q.core.agent_record("r1")
    assert (record.state, record.reason, record.job) == ("Busy", "", "job1")


def test_an_agent_that_comes_back_with_an_ending_is_believed() -> None:
    """The ending is acknowledged, and the next task follows."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    back = q.register("r1", assign_number=1, endings=(ending("r1", "job1/0/1"),))
    assert Acknowledge("r1", 0, "", False, ("job1/0/1",)) in back
    assert assigned(back) == [("r1", "job1", 1)]


def test_an_agent_with_an_unexpected_attempt_gets_no_work_before_that_is_gone() -> None:
    """Its answer wants nothing, so it ends it; then it is idle at once."""
    q = Driver()
    q.submit("job1")
    assert only(q.register("r1", attempt="other/0/1"), Acknowledge, Assign) == [
        Acknowledge("r1", 0, "", False, ())
    ]
    assert q.core.agent_record("r1").state == "Busy"
    assert assigned(q.end("r1", "other/0/1", "stopped")) == [("r1", "job1", 0)]


def test_another_process_under_the_same_name_is_not_answered_while_the_first_has_a_task() -> None:
    """The first one's render may run still. When its lease is over, the newcomer is welcome."""
    q = Driver()
    q.register("r1", pid=100)
    q.submit("job1")
    assert q.register("r1", pid=200) == []
    gone = q.tick(13.0)
    assert AgentRemoved("r1") in gone
    assert assigned(q.register("r1", pid=200)) == [("r1", "job1", 0)]


def test_another_process_may_take_the_name_of_an_idle_one() -> None:
    """Nothing can run twice then."""
    q = Driver()
    q.register("r1", pid=100)
    q.register("r1", pid=200)
    assert q.core.agent_record("r1").pid == 200


def test_a_local_agent_known_gone_cannot_register_late() -> None:
    """Its message outlived it. An entry for it would be given work and hold it until the lease is over."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    q.gone("a1")
    [order] = q.register("a1", local=True)
    assert ended([order]) == [("a1", True, False)]
    assert "a1" not in q.core.agent_ids()


@pytest.mark.parametrize("name", ["a", "a²", "a2", "a9", "b1", "a" + "9" * 5000, "a-1", "a0"])
def test_other_local_names_may_register(name: str) -> None:
    """Also names with digits that are none of ours."""
    q = Driver(agents=1)
    q.tick()
    q.register(name, local=True)
    assert name in q.core.agent_ids()


def test_an_agent_that_registers_when_the_session_ends_is_ended() -> None:
    """Known or not."""
    q = Driver()
    q.register("r1")
    [changed, order] = q.feed(ev.SessionEnding())
    assert changed == AgentChanged("r1") and ended([order]) == [("r1", False, False)]
    for agent in ("r2", "r1"):
        [order] = q.register(agent)
        assert ended([order]) == [(agent, False, False)]
    assert q.feed(ev.SessionEnding()) == []


def test_an_agents_record_holds_its_identity() -> None:
    """And since when it is as it is."""
    q = Driver()
    q.mono += 5.0
    q.register("r1")
    record = q.core.agent_record("r1")
    assert (record.id, record.local, record.since, record.job, record.task) == (
        "r1", False, q.now.wall, "", None
    )  # fmt: skip


def test_an_agent_that_came_back_with_its_task_is_free_when_that_ends() -> None:
    """At once: nothing of its return is left."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.register("r1", attempt="job1/0/1", assign_number=1)
    assert assigned(q.end("r1", "job1/0/1")) == [("r1", "job1", 1)]


def test_an_agent_ended_before_it_registered_keeps_the_reason() -> None:
    """The order to end is repeated with it; one that lives has none."""
    q = Driver(agents=1)
    q.tick()
    orders = only(q.feed(ev.AgentEndRequested(("a1",))), EndAgent)
    assert ended(orders) == [("a1", False, False)]
    assert q.register("a1", local=True) == orders
    q.tick()
    q.register("a2", local=True)
    assert q.core.agent_record("a2").reason == ""


# --- heartbeats ---------------------------------------------------------------------------


def test_a_heartbeat_is_answered_with_what_is_wanted() -> None:
    """And with whether that is to be stopped: a lost stop happens after all."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    assert q.heartbeat("r1", attempt="job1/0/1", assign_number=1, number=7) == [
        Acknowledge("r1", 7, "job1/0/1", False, ())
    ]
    q.stop("job1")
    assert q.heartbeat("r1", attempt="job1/0/1", assign_number=1, number=8) == [
        Acknowledge("r1", 8, "job1/0/1", True, ())
    ]


def test_an_unknown_agent_is_asked_to_register() -> None:
    """One that was launched and has not registered, too."""
    q = Driver(agents=1)
    q.tick()
    assert q.heartbeat("r9") == [AskToRegister("r9")]
    assert q.heartbeat("a1") == [AskToRegister("a1")]


def test_an_order_that_never_ran_is_taken_back() -> None:
    """The Agent saw it and twice says that it has nothing; the task goes elsewhere, without a mark."""
    q = Driver(max_agent_losses=0)
    q.register("r1")
    q.submit("job1")
    assert q.heartbeat("r1", assign_number=1) == [Acknowledge("r1", 1, "job1/0/1", False, ())]
    assert assigned(q.heartbeat("r1", assign_number=1)) == [("r1", "job1", 0)]
    assert q.core.job_record("job1").attempts == 2


def test_two_silent_heartbeats_must_follow_one_another() -> None:
    """One that shows the task in between starts the count again."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.heartbeat("r1", assign_number=1)
    q.heartbeat("r1", assign_number=1, attempt="job1/0/1")
    q.heartbeat("r1", assign_number=1)
    assert q.core.job_record("job1").attempts == 1


def test_an_order_that_was_lost_is_sent_again() -> None:
    """After five seconds in which the Agent did not see it; not before, and not at every heartbeat."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.mono += 5.0
    assert assigned(q.heartbeat("r1", assign_number=0)) == []
    q.mono += 0.1
    assert only(q.heartbeat("r1", assign_number=0), Assign) == [Assign("r1", 1, "job1", 0, 1)]
    assert assigned(q.heartbeat("r1", assign_number=0)) == []


def test_an_ending_in_a_heartbeat_counts_like_one_by_itself() -> None:
    """It is repeated until it is acknowledged, whatever became of the message."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    said = q.heartbeat("r1", assign_number=1, number=3, endings=(ending("r1", "job1/0/1"),))
    assert said[-1] == Acknowledge("r1", 3, "", False, ("job1/0/1",))
    assert q.state("job1") is TaskState.COMPLETED
    late = q.heartbeat("r1", assign_number=1, number=4, endings=(ending("r1", "job1/0/1", "failed"),))
    assert late == [Acknowledge("r1", 4, "", False, ("job1/0/1",))]
    assert q.state("job1") is TaskState.COMPLETED


def test_a_heartbeat_of_an_ending_agent_is_heard_out() -> None:
    """A render that completed as its Agent was told to end is not rendered again."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.feed(ev.AgentEndRequested(("r1",)))
    said = q.heartbeat("r1", assign_number=1, endings=(ending("r1", "job1/0/1"),))
    assert ended(said[:1]) == [("r1", False, False)]
    assert only(said, Acknowledge) == []
    q.gone("r1")
    assert q.state("job1") is TaskState.COMPLETED


def test_a_retiring_agent_with_an_ending_and_something_foreign_is_ended_once() -> None:
    """Both in one heartbeat once led it from Ending to Busy, which must not be."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    q.submit("job1")
    q.feed(ev.AgentCountSet(0))
    said = q.heartbeat("a1", assign_number=1, attempt="other/0/1", endings=(ending("a1", "job1/0/1"),))
    assert len(only(said, EndAgent)) == 1
    assert q.core.agent_record("a1").state == "Ending"


def test_usage_is_shown_and_the_peak_kept() -> None:
    """Of the task that ran, in its record and the job's; a lower figure changes no peak."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    said = q.heartbeat("r1", attempt="job1/0/1", assign_number=1, cpu=50.0, memory=900)
    assert said[:2] == [AgentChanged("r1"), TaskChanged("job1", 0)]
    q.heartbeat("r1", attempt="job1/0/1", assign_number=1, cpu=60.0, memory=100)
    record = q.core.agent_record("r1")
    assert (record.cpu_percent, record.memory) == (60.0, 100)
    q.end("r1", "job1/0/1")
    q.heartbeat("r1", attempt="job1/1/1", assign_number=2, memory=300)
    assert [task.peak_memory for task in q.core.task_records("job1", 0, 2)] == [900, 300]
    assert q.core.job_record("job1").peak_memory == 900


def test_usage_of_something_else_is_not_the_tasks() -> None:
    """A heartbeat from before the order says nothing of it."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.heartbeat("r1", attempt="other/0/1", assign_number=0, memory=900)
    assert q.core.job_record("job1").peak_memory is None


def test_a_heartbeat_with_something_foreign_keeps_the_agent_from_work() -> None:
    """Until a heartbeat shows nothing."""
    q = Driver()
    q.register("r1")
    q.heartbeat("r1", attempt="other/0/1")
    assert q.core.agent_record("r1").state == "Busy"
    assert assigned(q.submit("job1")) == []
    assert assigned(q.heartbeat("r1")) == [("r1", "job1", 0)]


def test_an_order_that_was_seen_is_not_sent_again() -> None:
    """One heartbeat without the task, however late, is no sign of a lost order."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.mono += 60.0
    assert assigned(q.heartbeat("r1", assign_number=1)) == []


def test_an_order_that_never_ran_and_was_stopped_is_over() -> None:
    """The job is over now, by a stop; the Agent has nothing to end."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.heartbeat("r1", assign_number=1)
    q.mono += 1.0
    q.heartbeat("r1", assign_number=1)
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.state, task.reason) == ("Cancelled", "stopped")
    assert q.core.job_record("job1").completed == q.now.wall


def test_only_the_ending_of_what_is_foreign_frees_the_agent_of_it() -> None:
    """Another ending is old news."""
    q = Driver()
    q.register("r1", attempt="other/0/2")
    assert q.end("r1", "other/0/1", "stopped") == []
    assert q.core.agent_record("r1").state == "Busy"
