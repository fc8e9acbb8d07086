"""The clock of server and clients: durations stay right when the system's clock is set back."""

from __future__ import annotations

from kq.clock import Clock, elapsed_s
from kq.records import JobRecord, TaskRecord
from kq.states import JobState, TaskState


class Times:
    """A monotonic and a wall clock, set by hand."""

    def __init__(self) -> None:
        self.mono, self.wall = 100.0, 1_700_000_000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.mono, lambda: self.wall)

    def pass_(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds


def test_a_clock_that_is_set_back_shortens_no_duration() -> None:
    times = Times()
    clock = times.clock()
    started = clock.read()
    times.wall -= 7200
    times.pass_(90)
    ended = clock.read()
    assert ended[1] - started[1] == 90
    assert ended[0] - started[0] == 90


def test_the_systems_clock_is_followed_again_when_it_has_caught_up() -> None:
    times = Times()
    clock = times.clock()
    times.wall -= 60
    assert clock.wall() == times.wall + 60
    times.pass_(10)
    times.wall += 61
    assert clock.wall() == times.wall


def test_time_asleep_counts() -> None:
    """The monotonic clock stands still meanwhile."""
    times = Times()
    clock = times.clock()
    before = clock.wall()
    times.wall += 3600
    assert clock.wall() - before == 3600


def test_a_clock_that_was_set_back_before_follows_one_that_knew_the_time_earlier() -> None:
    """A client that starts later takes the server's time from the snapshot."""
    times = Times()
    server = times.clock()
    times.wall -= 7200
    client = times.clock()
    assert server.wall() - client.wall() == 7200
    client.follow(server.wall())
    times.pass_(5)
    assert client.wall() == server.wall()


def job(state: JobState = JobState.RUNNING, **fields: float | None) -> JobRecord:
    return JobRecord(id="abcd", name="beauty", state=state, submitted=1.0, order=1, **fields)  # type: ignore[arg-type]


def test_elapsed_counts_what_ran_before_and_what_runs_now() -> None:
    assert elapsed_s(job(), 100.0) is None
    assert elapsed_s(job(started=90.0), 100.0) == 10
    assert elapsed_s(job(started=90.0, completed=95.0), 100.0) == 5
    assert elapsed_s(job(ran_s=60.0), 100.0) == 60, "it waits to run again"
    assert elapsed_s(job(ran_s=60.0, started=90.0), 100.0) == 70
    task = TaskRecord(job_id="abcd", index=0, state=TaskState.RUNNING, started=97.0)
    assert elapsed_s(task, 100.0) == 3


def test_a_run_without_an_end_does_not_count_for_ever() -> None:
    """As of an attempt on a farm whose node was lost; its task may wait for another."""
    for state in (JobState.FAILED, JobState.CANCELLED, JobState.COMPLETED):
        assert elapsed_s(job(state, started=90.0), 100.0) is None
        assert elapsed_s(job(state, started=90.0, ran_s=60.0), 100.0) == 60
    for at in (TaskState.FAILED, TaskState.CANCELLED, TaskState.WAITING):
        assert elapsed_s(TaskRecord(job_id="abcd", index=0, state=at, started=97.0), 100.0) is None
