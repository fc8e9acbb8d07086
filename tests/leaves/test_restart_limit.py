"""How often a program that dies is started again."""

from __future__ import annotations

from kq.restart_limit import RestartLimit


def test_too_many_deaths_in_the_window_are_final() -> None:
    limit = RestartLimit(restart_limit=3, window_s=30)
    assert [limit.record_death(now) for now in (10.0, 20.0, 30.0)] == [True, True, False]


def test_deaths_outside_the_window_do_not_count() -> None:
    limit = RestartLimit(restart_limit=3, window_s=30)
    assert all(limit.record_death(now) for now in (0.0, 29.0, 58.0, 87.0))
    assert limit.deaths == 2


def test_a_program_that_was_stable_starts_a_new_count() -> None:
    limit = RestartLimit(restart_limit=2, stable_after_s=5)
    assert limit.record_death(10.0, lived_s=1.0)
    assert limit.record_death(16.0, lived_s=5.0)
    assert not limit.record_death(17.0, lived_s=1.0)


def test_restarts_wait_ever_longer_up_to_a_maximum() -> None:
    limit = RestartLimit(immediate=1, delay_s=1.0, max_delay_s=4.0)
    delays = []
    for now in range(100, 106):
        assert limit.record_death(now)
        delays.append(limit.restart_at - now)
    assert delays == [0.0, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_without_a_limit_it_is_always_started_again() -> None:
    limit = RestartLimit(delay_s=0.25)
    assert all(limit.record_death(float(now)) for now in range(2000))
    assert limit.restart_at == 1999 + 30.0


def test_reset_forgets_all_deaths() -> None:
    limit = RestartLimit(restart_limit=2, delay_s=1.0)
    limit.record_death(10.0)
    limit.reset()
    assert (limit.deaths, limit.restart_at) == (0, 0.0)
    assert limit.record_death(11.0)
