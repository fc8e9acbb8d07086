"""Agents that are not heard: when they count as lost, when as gone, and what is forgiven."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    AgentChanged,
    AgentRemoved,
    EndAgent,
)
from kq.core.pool import heartbeat_interval_s
from kq.states import TaskState
from tests.core.driver import Driver, assigned, ended, launched, live, only


def test_a_silent_agent_is_shown_as_lost_and_welcome_back() -> None:
    """It keeps its task; heard again, it is as before."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    assert q.tick(3.0) == []
    assert q.tick(0.5) == [AgentChanged("r1")]
    record = q.core.agent_record("r1")
    assert (record.state, record.job) == ("Lost", "job1") and record.reason
    q.heartbeat("r1", attempt="job1/0/1", assign_number=1)
    record = q.core.agent_record("r1")
    assert (record.state, record.reason) == ("Busy", "")


def test_a_lost_agent_is_given_nothing() -> None:
    """Until it is heard."""
    q = Driver()
    q.register("r1")
    q.tick(4.0)
    assert assigned(q.submit("job1")) == []
    assert assigned(q.heartbeat("r1")) == [("r1", "job1", 0)]


def test_a_remote_agent_is_gone_when_both_leases_have_run_out() -> None:
    """Ten seconds of its own and two more; before, its task is nobody else's."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.register("r2")
    for _ in range(12):
        q.mono += 1.0
        q.heartbeat("r2")
        assert AgentRemoved("r1") not in q.feed(ev.Tick())
    q.mono += 0.5
    q.heartbeat("r2")
    out = q.feed(ev.Tick())
    assert AgentRemoved("r1") in out
    assert assigned(out) == [("r2", "job1", 0)]


def test_a_local_agent_beyond_its_lease_is_killed_before_its_task_is_given_again() -> None:
    """Its render may run though it does not answer: only AgentGone frees the task."""
    q = live(agents=1)
    q.submit("job1")
    out = q.tick(14.0)
    assert ended(out) == [("a1", True, False)]
    assert " 13 s" in only(out, EndAgent)[0].reason  # type: ignore[attr-defined]
    assert launched([*out]) == ["a2"]
    q.register("a2", local=True)
    assert q.state("job1") is TaskState.RUNNING
    assert assigned(q.gone("a1", "killed")) == [("a2", "job1", 0)]
    assert q.core.task_records("job1", 0, 1)[0].agent_losses == 1


def test_a_remote_agent_asked_to_end_is_gone_when_silent() -> None:
    """While it is heard it is there: its render may still be ending."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.feed(ev.AgentEndRequested(("r1",)))
    for _ in range(20):
        q.mono += 1.0
        q.heartbeat("r1", attempt="job1/0/1", assign_number=1)
        q.feed(ev.Tick())
    assert q.state("job1") is TaskState.RUNNING
    assert AgentRemoved("r1") in q.tick(13.0)
    assert q.state("job1") is TaskState.WAITING
    assert q.core.task_records("job1", 0, 1)[0].agent_losses == 0


@pytest.mark.parametrize("pause_s", [15.0, 3600.0])
def test_a_pause_of_the_server_is_not_the_agents_silence(pause_s: float) -> None:
    """Stopped or asleep, it could not hear them; what they said has yet to be read."""
    q = live(agents=1)
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.tick()
    q.mono += pause_s
    assert only(q.feed(ev.Tick()), EndAgent, AgentRemoved) == []
    q.heartbeat("a1", attempt="job1/0/1", assign_number=1)
    assert AgentRemoved("r1") in q.tick(13.0)


def test_a_pause_does_not_hide_an_agent_that_was_launched_before_it() -> None:
    """It has its thirty seconds, counted while the server lived."""
    q = Driver(agents=1)
    q.tick()
    q.mono += 500.0
    assert only(q.tick(), EndAgent) == []
    assert only(q.tick(31.0), EndAgent) != []


def test_a_lost_tasks_reason_has_its_agents_silence() -> None:
    """An artist reads it in the job's reason."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.tick(13.0)
    assert "13 s" in q.reason("job1")


def test_slow_heartbeats_are_waited_for() -> None:
    """An Agent is lost after two and a half of them, when that is longer than a third of the lease."""
    q = Driver(heartbeat_s=4.0)
    q.register("r1")
    assert q.tick(10.0) == []
    assert q.tick(0.5) == [AgentChanged("r1")]


def test_many_agents_are_heard_less_often() -> None:
    """So that all together cost the same; never less than four times a lease, and waited for accordingly."""
    q = Driver(heartbeat_s=1.0, lease_s=10.0)
    for number in range(400):
        q.register(f"r{number}")
    assert heartbeat_interval_s(q.core.state) == 0.0
    for number in range(400, 800):
        q.register(f"r{number}")
    assert heartbeat_interval_s(q.core.state) == 2.0
    assert q.tick(4.9) == []
    assert len(q.tick(0.2)) == 800
    for number in range(800, 1600):
        q.register(f"r{number}")
    assert heartbeat_interval_s(q.core.state) == 2.5
