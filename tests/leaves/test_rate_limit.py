"""Told at once after quiet, evenly under load."""

from kq.rate_limit import RateLimit


def tell_all(pace: RateLimit, now: float, until: float) -> list[float]:
    """When each was told, by somebody who always has something to tell."""
    told = []
    while now < until:
        wait_s = pace.wait_s(now)
        if wait_s == 0:
            pace.record_use(now)
            told.append(now)
        else:
            now += wait_s
    return told


def test_after_quiet_a_few_go_out_at_once() -> None:
    told = tell_all(RateLimit(0.5, burst=3), 100.0, 100.4)
    assert told == [100.0, 100.0, 100.0]


def test_what_happens_all_the_time_is_sent_evenly() -> None:
    told = tell_all(RateLimit(0.5, burst=3), 100.0, 104.0)
    assert told[2:] == [100.0, 100.5, 101.0, 101.5, 102.0, 102.5, 103.0, 103.5]


def test_quiet_gives_back_no_more_than_the_burst() -> None:
    pace = RateLimit(0.5, burst=3)
    tell_all(pace, 100.0, 104.0)
    assert tell_all(pace, 1000.0, 1000.4) == [1000.0] * 3


def test_a_little_quiet_gives_back_a_little() -> None:
    pace = RateLimit(0.5, burst=3)
    last = tell_all(pace, 100.0, 104.0)[-1]
    assert tell_all(pace, last + 1.0, last + 1.25) == [last + 1.0] * 2
