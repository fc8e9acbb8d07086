"""Jobs that wait for other jobs: until when, and what they say meanwhile."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    JobChanged,
)
from kq.errors import NotFound
from tests.core.driver import Driver, assigned


def test_a_job_waits_until_those_before_it_are_completed() -> None:
    """It says for whom, and is given the moment the last one is."""
    q = Driver()
    q.submit("aaaa", name="sky")
    q.submit("bbbb", name="sea")
    assert q.submit("cccc", after=("aaaa", "bbbb")) == [JobChanged("cccc"), JobChanged("cccc")]
    assert q.waits_for("cccc") == "sky, sea"
    q.register("r1")
    q.register("r2")
    q.register("r3")
    q.end("r1", "aaaa/0/1")
    assert q.waits_for("cccc") == "sea"
    assert assigned(q.end("r2", "bbbb/0/1")) == [("r2", "cccc", 0)]
    assert q.reason("cccc") == ""


def test_a_job_names_only_some_of_many_it_waits_for() -> None:
    """A reason is read in a narrow column."""
    q = Driver()
    for number in range(6):
        q.submit(f"job{number}", name=f"n{number}")
    q.submit("last", after=tuple(f"job{number}" for number in range(6)))
    assert q.waits_for("last") == "n0, n1, n2 and 3 more"


def test_a_waiting_jobs_reason_names_a_failed_dependency() -> None:
    """The artist sees what to start again; starting it clears the remark."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa", name="sky")
    q.submit("bbbb", after=("aaaa",))
    q.end("r1", "aaaa/0/1", "failed", exit_code=1)
    assert q.waits_for("bbbb") == "sky (Failed)"
    q.start("aaaa")
    assert q.waits_for("bbbb") == "sky"
    assert assigned(q.end("r1", "aaaa/0/2")) == [("r1", "bbbb", 0)]


def test_a_completed_job_that_runs_again_is_waited_for_again() -> None:
    """By what has not begun."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa", name="sky")
    q.end("r1", "aaaa/0/1")
    q.feed(ev.QueuePaused(True))
    q.submit("bbbb", after=("aaaa",), priority=9)
    q.start("aaaa")
    assert q.waits_for("bbbb") == "sky"
    assert assigned(q.feed(ev.QueuePaused(False))) == [("r1", "aaaa", 0)]


def test_removing_a_completed_job_holds_up_no_dependent() -> None:
    """Tidying the list must not block what came after."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.end("r1", "aaaa/0/1")
    q.feed(ev.QueuePaused(True))
    q.submit("bbbb", after=("aaaa",))
    q.remove("aaaa")
    assert assigned(q.feed(ev.QueuePaused(False))) == [("r1", "bbbb", 0)]


def test_removing_a_job_that_was_not_completed_cancels_what_waited_for_it() -> None:
    """It could wait for ever otherwise. Who starts it then, means it: the removed one is not waited for."""
    q = Driver()
    q.submit("aaaa", name="sky")
    q.submit("bbbb", after=("aaaa",))
    q.submit("cccc", name="sea", after=("bbbb",))
    q.remove("aaaa")
    record = q.core.job_record("bbbb")
    assert record.state == "Cancelled" and "sky" in record.reason
    assert q.waits_for("cccc") == "name of bbbb (Cancelled)"
    q.start("bbbb")
    assert assigned(q.register("r1")) == [("r1", "bbbb", 0)]


def test_a_job_cannot_wait_for_one_that_is_not_there() -> None:
    """Nor for itself, nor for one that is being removed."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.remove("aaaa")
    for before in ("gone", "bbbb", "aaaa"):
        with pytest.raises(NotFound, match=f"job {before} "):
            q.submit("bbbb", after=(before,))
    assert q.core.job_ids() == ["aaaa"]


def test_a_job_cancelled_by_a_removal_is_over_from_then_on() -> None:
    """It has a time at which it ended, and nothing remains of who waited for whom."""
    q = Driver()
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    q.submit("cccc", after=("aaaa",))
    q.mono += 5.0
    q.remove("bbbb")
    assert list(q.core.state.dependents) == ["aaaa"]
    q.stop("aaaa")
    q.remove("aaaa")
    assert q.core.job_record("cccc").completed == q.now.wall
    assert not q.core.state.dependents


def test_nothing_remains_of_jobs_that_waited_for_one_that_stays() -> None:
    """Thousands may wait for one job that is kept."""
    q = Driver()
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    q.remove("bbbb")
    assert not q.core.state.dependents


def test_a_job_that_runs_does_not_say_that_it_waits() -> None:
    """Though what it waited for runs again, and the rest of it has to wait."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa", name="sky")
    q.end("r1", "aaaa/0/1")
    q.submit("bbbb", frames="1-2", after=("aaaa",))
    q.start("aaaa")
    assert q.reason("bbbb") == ""
    q.end("r1", "bbbb/0/1")
    assert q.waits_for("bbbb") == "sky"


def test_a_job_that_need_not_wait_for_another_any_more_does_not_say_so() -> None:
    """Though no one is free for it yet."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    q.feed(ev.QueuePaused(True))
    assert JobChanged("bbbb") in q.end("r1", "aaaa/0/1")
    assert q.reason("bbbb") == ""
