"""The server's clock: durations stay right when the system's clock is set back."""

from __future__ import annotations

from kq.server.clock import Clock


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
    started = clock.now()
    times.wall -= 7200
    times.pass_(90)
    ended = clock.now()
    assert ended.wall - started.wall == 90
    assert ended.mono - started.mono == 90


def test_the_systems_clock_is_followed_again_when_it_has_caught_up() -> None:
    times = Times()
    clock = times.clock()
    times.wall -= 60
    assert clock.now().wall == times.wall + 60
    times.pass_(10)
    times.wall += 61
    assert clock.now().wall == times.wall


def test_time_asleep_counts() -> None:
    """The monotonic clock stands still meanwhile."""
    times = Times()
    clock = times.clock()
    before = clock.now()
    times.wall += 3600
    assert clock.now().wall - before.wall == 3600
