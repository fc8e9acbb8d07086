"""N local Agents wanted is N kept: launching, back-off, retiring. Silent ones are in test_silence.py."""

from __future__ import annotations

from kq.core import events as ev
from kq.core.instructions import (
    AgentChanged,
    AgentRemoved,
    EndAgent,
    LaunchAgent,
    QueueChanged,
)
from tests.core.driver import Driver, assigned, ended, heartbeats, launched, live, only


def test_the_first_tick_launches_what_is_wanted() -> None:
    """All at once, under names that are never used again; the second tick launches nobody."""
    q = Driver(agents=2)
    assert q.tick() == [
        LaunchAgent("a1"),
        AgentChanged("a1"),
        LaunchAgent("a2"),
        AgentChanged("a2"),
    ]
    assert q.tick() == []
    assert q.core.next_agent == 3
    record = q.core.agent_record("a1")
    assert (record.state, record.since) == ("Starting", q.now.wall)


def test_an_agent_that_dies_is_replaced_at_once() -> None:
    """It lived, so there is no reason to wait."""
    q = live(agents=2)
    assert q.gone("a1") == [AgentRemoved("a1"), LaunchAgent("a3"), AgentChanged("a3")]
    assert q.core.next_launch_at() is None


def test_another_number_is_kept_from_then_on() -> None:
    """More are launched at once; those too many end at once when idle, the youngest first."""
    q = live(agents=1)
    assert q.feed(ev.AgentCountSet(3))[0] == QueueChanged()
    assert q.feed(ev.AgentCountSet(3)) == []
    for agent in ("a2", "a3"):
        q.mono += 1.0
        q.register(agent, local=True)
    q.mono += 1.0
    assert ended(q.feed(ev.AgentCountSet(1))) == [("a2", False, False), ("a3", False, False)]
    assert q.core.agent_record("a1").state == "Idle"


def test_one_that_works_ends_after_its_task_and_not_before() -> None:
    """Idle ones go first. It takes no further task."""
    q = live(agents=2)
    q.submit("job1", frames="1-2")
    q.end("a2", "job1/1/1")
    assert ended(q.feed(ev.AgentCountSet(1))) == [("a2", False, False)]
    q.gone("a2")
    assert q.feed(ev.AgentCountSet(0)) == [QueueChanged(), AgentChanged("a1")]
    assert q.core.agent_record("a1").draining
    q.submit("job2")
    done = q.end("a1", "job1/0/1")
    assert ended(done) == [("a1", False, False)]
    assert assigned(done) == []


def test_one_that_was_to_end_stays_when_more_are_wanted_again() -> None:
    """Nobody is launched in its place."""
    q = live(agents=1)
    q.submit("job1", frames="1-2")
    q.feed(ev.AgentCountSet(0))
    assert q.feed(ev.AgentCountSet(1)) == [QueueChanged(), AgentChanged("a1")]
    assert not q.core.agent_record("a1").draining
    assert assigned(q.end("a1", "job1/0/1")) == [("a1", "job1", 1)]


def test_remote_agents_do_not_count() -> None:
    """Neither are they ended when there are more of them."""
    q = Driver(agents=1)
    q.register("r1")
    q.register("r2")
    assert launched([*q.tick()]) == ["a1"]
    assert only(q.tick(1.0), EndAgent) == []


def test_launches_that_fail_wait_longer_and_longer() -> None:
    """0.25, 0.5, 1, 2 … 30 seconds; the queue knows when the next is due, and its problem says why."""
    q = Driver(agents=1)
    q.tick()
    waits = []
    for number in range(1, 11):
        out = q.gone(f"a{number}", "python is not there")
        assert launched([*out]) == []
        due = q.core.next_launch_at()
        assert due is not None
        waits.append(due - q.mono)
        assert (QueueChanged() in out) == (number == 3)
        q.mono = due - 0.01
        assert launched([*q.tick()]) == []
        q.mono = due
        assert launched([*q.tick()]) == [f"a{number + 1}"]
        assert q.core.next_launch_at() is None
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert q.core.queue_record().problem.endswith(": python is not there")


def test_agents_that_die_as_soon_as_they_live_are_no_success() -> None:
    """They registered, and still there is back-off and a reason instead of a spin."""
    q = Driver(agents=1)
    q.tick()
    for number in range(1, 4):
        q.register(f"a{number}", local=True)
        q.mono += 0.4
        q.gone(f"a{number}", "exit code 3")
        q.mono = q.core.next_launch_at() or q.mono
        q.tick()
    assert q.core.queue_record().problem.endswith(": exit code 3")


def test_many_that_fail_together_failed_once() -> None:
    """The wait is that of one failure, and then one tries at a time."""
    q = Driver(agents=8)
    q.tick()
    for number in range(1, 9):
        q.gone(f"a{number}", "python is not there")
    assert q.core.next_launch_at() == q.mono + 0.25
    assert q.core.queue_record().problem == ""
    assert launched([*q.tick(0.25)]) == ["a9"]
    assert launched([*q.tick(0.25)]) == []


def test_when_one_lives_after_failures_the_others_follow() -> None:
    """All at once, and the problem is cleared."""
    q = Driver(agents=3)
    q.tick()
    for number in (1, 2, 3):
        q.gone(f"a{number}", "python is not there")
    for number in (4, 5):
        q.tick(2.0)
        q.gone(f"a{number}", "python is not there")
    assert q.core.queue_record().problem
    assert launched([*q.tick(2.0)]) == ["a6"]
    q.register("a6", local=True)
    out = heartbeats(q, 1.5)
    assert launched(out)[:2] == ["a7", "a8"]
    assert QueueChanged() in out
    assert q.core.queue_record().problem == ""


def test_an_agent_that_lives_already_is_no_sign_that_others_start() -> None:
    """Its heartbeats do not end the back-off of those that fail beside it."""
    q = live(agents=1)
    q.feed(ev.AgentCountSet(2))
    for number in range(2, 6):
        q.gone(f"a{number}", "no memory")
        heartbeats(q, 3.0)
    assert q.core.state.launches.deaths == 4
    assert q.core.queue_record().problem.endswith(": no memory")
    q.feed(ev.AgentCountSet(1))
    q.tick()
    assert q.core.queue_record().problem == ""


def test_an_agent_that_never_registers_is_ended_and_counts_as_a_failure() -> None:
    """By force: it answers nobody."""
    q = Driver(agents=1, launch_timeout_s=30.0)
    q.tick()
    assert only(q.tick(30.0), EndAgent) == []
    [order] = only(q.tick(0.5), EndAgent)
    assert ended([order]) == [("a1", True, False)] and " 30 s" in order.reason
    assert q.core.state.launches.deaths == 1
    q.gone("a1")
    assert q.core.state.launches.deaths == 1
    assert launched([*q.tick(1.0)]) == ["a2"]


def test_an_agent_that_was_ended_on_request_is_no_failure() -> None:
    """Restarting one replaces it at once."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    assert launched([*q.feed(ev.AgentEndRequested(("a1",), restart=True))]) == ["a2"]
    q.gone("a1")
    assert q.core.state.launches.deaths == 0


def test_of_local_agents_that_are_removed_so_many_fewer_are_wanted() -> None:
    """Else another would take the place of each. Who was to go anyway, or is elsewhere, does not count."""
    q = live(agents=3)
    q.register("r1")
    q.submit("job1", frames="1-4")
    out = q.feed(ev.AgentEndRequested(("a1", "r1")))
    assert launched([*out]) == []
    assert only(out, QueueChanged) == [QueueChanged()]
    assert q.core.queue_record().agents_wanted == 2
    q.gone("a1")
    assert launched([*q.tick(1.0)]) == []
    q.feed(ev.AgentCountSet(1))
    [retiring] = [agent for agent in q.core.state.agents.values() if agent.retiring]
    q.feed(ev.AgentEndRequested((retiring.id,)))
    assert q.core.queue_record().agents_wanted == 1
    [last] = [agent.id for agent in q.core.state.local_agents.values() if agent.id != retiring.id]
    q.feed(ev.AgentEndRequested((last,)))
    assert q.core.queue_record().agents_wanted == 0


def test_no_agent_is_launched_when_the_session_ends() -> None:
    """Nor is the death of an Agent a failure then."""
    q = live(agents=2)
    q.feed(ev.SessionEnding())
    assert q.gone("a1") == [AgentRemoved("a1")]
    assert q.tick(5.0) == []
    assert q.core.next_launch_at() is None


# --- leases -------------------------------------------------------------------------------------


def test_who_works_stays_longest_then_who_is_heard() -> None:
    """The younger one with a task outlives an older idle one, and that one a launch still under way."""
    q = live(agents=2)
    q.submit("job1", frames="1-2")
    q.end("a1", "job1/0/1")
    q.feed(ev.AgentCountSet(3))
    q.mono += 1.0
    q.register("a3", local=True)
    q.feed(ev.AgentsDrained(("a3",), draining=True))
    q.feed(ev.AgentCountSet(4))
    assert q.core.agent_record("a4").state == "Starting"
    ended = [
        each.agent
        for count in (3, 2, 1)
        for each in q.feed(ev.AgentCountSet(count))
        if isinstance(each, EndAgent)
    ]
    assert ended == ["a4", "a3", "a1"]
    assert q.core.agent_record("a2").state == "Busy"


def test_of_idle_agents_a_silent_one_is_ended_first() -> None:
    """Though it is the older one."""
    q = live(agents=2)
    for _ in range(8):
        q.mono += 0.5
        q.heartbeat("a2")
        q.feed(ev.Tick())
    assert q.core.agent_record("a1").state == "Lost"
    assert [each.agent for each in only(q.feed(ev.AgentCountSet(1)), EndAgent)] == ["a1"]


def test_a_thousand_agents_are_the_most() -> None:
    """As many may be wanted."""
    q = Driver()
    assert len(launched([*q.feed(ev.AgentCountSet(1000))])) == 1000


def test_a_launch_problem_neither_hides_nor_clears_another() -> None:
    """A full disk is still full when Agents start again."""
    q = Driver(agents=1)
    q.tick()
    q.core.state.problem = "the disk is full"
    for number in range(1, 4):
        q.gone(f"a{number}", "python is not there")
        q.tick(2.0)
    assert q.core.queue_record().problem.endswith(": python is not there; the disk is full")
    q.register("a4", local=True)
    heartbeats(q, 1.5)
    assert q.core.queue_record().problem == "the disk is full"


def test_as_many_stay_as_are_wanted_again() -> None:
    """Of three that were to end, two stay."""
    q = live(agents=3)
    q.submit("job1", frames="1-9")
    q.feed(ev.AgentCountSet(0))
    q.feed(ev.AgentCountSet(2))
    assert [q.core.agent_record(f"a{number}").draining for number in (1, 2, 3)] == [False, False, True]
    assert q.tick() == []


def test_those_that_were_to_end_are_counted_before_others_are_launched() -> None:
    """Two come back, so that of four that are wanted one is missing."""
    q = live(agents=3)
    q.submit("job1", frames="1-9")
    q.feed(ev.AgentCountSet(1))
    assert launched([*q.feed(ev.AgentCountSet(4))]) == ["a4"]
    assert not any(q.core.agent_record(agent).draining for agent in q.core.agent_ids())


def test_a_restarted_remote_agent_is_asked_to_come_again() -> None:
    """Whoever started it elsewhere must know; one that is only to end is told nothing of the kind."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    assert ended(q.feed(ev.AgentEndRequested(("r1",), restart=True))) == [("r1", False, True)]
    assert ended(q.feed(ev.AgentEndRequested(("r2",)))) == [("r2", False, False)]


def test_agents_that_never_register_are_a_problem_of_the_queue() -> None:
    """With how long they were waited for."""
    q = Driver(agents=1, launch_timeout_s=5.0)
    for number in range(1, 4):
        q.tick(7.0)
        q.gone(f"a{number}")
        q.tick(1.0)
    assert q.core.queue_record().problem.endswith(" 5 s")
