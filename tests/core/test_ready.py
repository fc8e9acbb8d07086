"""Which job is next: priority, then order of submission, and nothing waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.core import events as ev
from kq.core.ready import OLDEST_EVERY
from tests.core.driver import Driver, assigned


def run_one(q: Driver, agent: str = "r1") -> str:
    """The Agent's task completes; returns the job that it is given next."""
    running = q.core.agent(agent)
    assert running is not None
    if running.desired is None:
        return ""
    given = assigned(q.end(agent, running.desired_attempt_id))
    return given[0][1] if given else ""


def test_higher_priority_is_first_then_order_of_submission() -> None:
    """Among equals the earlier."""
    q = Driver()
    for job_id, priority in (("low1", 0), ("high1", 5), ("low2", 0), ("high2", 5)):
        q.submit(job_id, priority=priority)
    first = assigned(q.register("r1"))[0][1]
    assert [first, *(run_one(q) for _ in range(3))] == ["high1", "high2", "low1", "low2"]


def test_tasks_of_a_job_go_in_order_and_a_restarted_one_first() -> None:
    """What was given back comes before what never ran."""
    q = Driver()
    q.submit("job1", frames="1-5")
    q.register("r1")
    run_one(q)
    assert q.states("job1") == "crwww"
    q.start_tasks("job1", 0)
    assert assigned(q.end("r1", "job1/1/1")) == [("r1", "job1", 0)]
    assert assigned(q.end("r1", "job1/0/2")) == [("r1", "job1", 2)]


def test_the_oldest_has_one_turn_in_eight() -> None:
    """A stream of urgent work cannot hold it up for ever, and holds it up by seven of eight."""
    q = Driver()
    q.register("r1")
    q.submit("urgent", frames="1-100", priority=9)
    q.submit("oldest", priority=-9)
    turns = ["urgent", *(run_one(q) for _ in range(30))]
    assert "oldest" not in turns
    q = Driver()
    q.submit("oldest", frames="1-50", priority=-9)
    q.submit("urgent", frames="1-100", priority=9)
    turns = [assigned(q.register("r1"))[0][1], *(run_one(q) for _ in range(31))]
    assert [number for number, job in enumerate(turns) if job == "oldest"] == [7, 15, 23, 31]
    assert OLDEST_EVERY == 8


def test_a_low_priority_job_is_done_within_a_bound() -> None:
    """However much urgent work keeps coming: eight turns for each task of those before it and its own."""
    q = Driver()
    q.register("r1")
    q.submit("begin")
    q.submit("patient", frames="1-3", priority=-5)
    turns = 0
    while q.core.job_record("patient").state != "Completed":
        q.submit(f"urgent{turns}", priority=5)
        run_one(q)
        turns += 1
        assert turns <= OLDEST_EVERY * (3 + 1)


def test_a_turn_that_the_oldest_could_not_take_is_not_its_last() -> None:
    """It ran as many tasks at once as it may when its turn came; later turns are its own again."""
    q = Driver()
    q.register("r1")
    q.submit("oldest", frames="1-2", priority=-9, max_parallel=1)
    q.submit("urgent", frames="1-100", priority=9)
    q.register("r2")
    assert "oldest" not in [run_one(q, "r2") for _ in range(2 * OLDEST_EVERY)]
    assert "oldest" in [run_one(q, "r1") for _ in range(OLDEST_EVERY)]


@pytest.mark.parametrize("outcome", ["completed", "stopped"])
def test_the_agent_that_worked_last_works_next(outcome: str) -> None:
    """It may have a process ready for another render like the one before; those that never ran come after."""
    q = Driver()
    for agent in ("r1", "r2", "r3"):
        q.register(agent)
    assert assigned(q.submit("job1")) == [("r1", "job1", 0)]
    assert assigned(q.submit("job2")) == [("r2", "job2", 0)]
    if outcome == "stopped":
        q.stop("job1")
        q.stop("job2")
    q.end("r2", "job2/0/1", outcome)
    q.end("r1", "job1/0/1", outcome)
    assert assigned(q.submit("job3")) == [("r1", "job3", 0)]
    assert assigned(q.submit("job4")) == [("r2", "job4", 0)]
    assert assigned(q.submit("job5")) == [("r3", "job5", 0)]


@pytest.mark.parametrize("outcome", ["failed", "timed-out", "out-of-memory"])
def test_an_agent_whose_last_attempt_failed_comes_last(outcome: str) -> None:
    """The fault may be its machine's: the next try is somebody else's, and it does not swallow every job."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", retries=1)
    assert assigned(q.end("r1", "job1/0/1", outcome)) == [("r2", "job1", 0)]
    q.end("r2", "job1/0/2")
    assert assigned(q.submit("job2")) == [("r2", "job2", 0)]
    assert assigned(q.submit("job3")) == [("r1", "job3", 0)]
    q.end("r1", "job3/0/1")
    assert assigned(q.submit("job4")) == [("r1", "job4", 0)]


def test_a_job_blocked_by_its_limit_comes_back_in_its_place() -> None:
    """Before what was submitted later."""
    q = Driver()
    q.submit("job1", frames="1-3", max_parallel=1)
    q.submit("job2", frames="1-9")
    q.register("r1")
    q.register("r2")
    assert q.states("job1") + q.states("job2")[:2] == "rwwrw"
    assert assigned(q.end("r1", "job1/0/1")) == [("r1", "job1", 1)]


def test_jobs_that_are_over_are_not_kept_by_the_order() -> None:
    """Behind a long job, thousands come and go: neither entries nor jobs gather."""
    q = Driver()
    q.submit("long", frames="1-100000", priority=0)
    q.register("r1")
    q.register("r2")
    for number in range(3000):
        q.submit(f"short{number}", priority=1)
        for agent in ("r1", "r2", "r1", "r2"):
            run_one(q, agent)
        if q.core.job_record(f"short{number}").state == "Completed":
            q.remove(f"short{number}")
    assert len(q.core.state.ready) < 300
    assert len(q.core.job_ids()) < 50


def test_a_queue_whose_priorities_change_for_ever_does_not_grow() -> None:
    """Old entries are swept."""
    q = Driver()
    for number in range(10):
        q.submit(f"job{number}")
    for number in range(5000):
        q.feed(ev.PrioritySet((f"job{number % 10}",), number % 7))
    assert len(q.core.state.ready) < 200
    q.feed(ev.PrioritySet(("job4",), 50))
    assert assigned(q.register("r1")) == [("r1", "job4", 0)]


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 4)), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(-3, 9),
)
def test_nothing_starves(jobs: list[tuple[int, int]], agents: int, urgency: int) -> None:
    """Whatever comes in: eight turns for each task before it in order of submission, and its own, suffice."""
    q = Driver()
    for number, (priority, frames) in enumerate(jobs):
        q.submit(f"job{number}", priority=priority, frames=f"1-{frames}")
    for number in range(agents):
        q.register(f"r{number}")
    turns, streamed = agents, 0
    bounds, before = {}, 0
    for number, (_, frames) in enumerate(jobs):
        before += frames
        bounds[f"job{number}"] = OLDEST_EVERY * (before + 1)
    while any(q.core.job(job_id).waiting for job_id in bounds):
        q.submit(f"new{streamed}", priority=urgency)
        streamed += 1
        run_one(q, f"r{turns % agents}")
        turns += 1
        for job_id, bound in bounds.items():
            assert turns <= bound or not q.core.job(job_id).waiting, (job_id, turns, bound)


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 3)), min_size=1, max_size=60), st.data())
def test_the_order_is_that_of_the_rule(jobs: list[tuple[int, int]], data: st.DataObject) -> None:
    """However many jobs wait and priorities change, the heaps give what a plain search would."""
    q = Driver()
    left: dict[str, tuple[int, int, int]] = {}
    for number, (priority, frames) in enumerate(jobs):
        q.submit(f"job{number}", priority=priority, frames=f"1-{frames}")
        left[f"job{number}"] = (priority, number, frames)
    for _ in range(data.draw(st.integers(0, 100))):
        job_id = data.draw(st.sampled_from(sorted(left)))
        priority = data.draw(st.integers(-2, 2))
        q.feed(ev.PrioritySet((job_id,), priority))
        left[job_id] = (priority, *left[job_id][1:])
    given_now = assigned(q.register("r1"))[0][1]
    turn = 0
    while left:
        turn += 1
        if turn % OLDEST_EVERY:
            expected = min(left, key=lambda job_id: (-left[job_id][0], left[job_id][1]))
        else:
            expected = min(left, key=lambda job_id: left[job_id][1])
        assert given_now == expected
        priority, number, frames = left.pop(expected)
        if frames > 1:
            left[expected] = (priority, number, frames - 1)
        given_now = run_one(q)
    assert given_now == ""


def test_a_sweep_keeps_what_waits_and_lets_come_back_what_is_blocked() -> None:
    """With many entries: jobs that wait for others, and jobs at their limit, have their turn in the end."""
    q = Driver()
    for number in range(60):
        q.submit(f"first{number}", frames="1-2", max_parallel=1)
        q.submit(f"then{number}", after=(f"first{number}",))
    for number in range(3):
        q.register(f"r{number}")
    for _ in range(400):
        for number in range(3):
            run_one(q, f"r{number}")
    assert {q.core.job_record(job_id).state for job_id in q.core.job_ids()} == {"Completed"}
