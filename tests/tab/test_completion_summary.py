"""Renders that end one soon after another: each is counted in the last message."""

from __future__ import annotations

import msgspec
from katana_queue.kq.api import JobRecord, JobState
from katana_queue.plugins.Tabs.KatanaQueue.models.completion_summary import (
    TOGETHER_S,
    CompletionSummary,
    Message,
)
from katana_queue.plugins.Tabs.KatanaQueue.notifier import Notifier
from pytestqt.qtbot import QtBot

from tests.tab.fake_queue import make_job


def ended(number: int, state: JobState = JobState.COMPLETED, reason: str = "") -> JobRecord:
    """A render that took 1:15."""
    job = make_job(number, state, reason=reason)
    assert job.started is not None
    return msgspec.structs.replace(job, completed=job.started + 75)


def failed(number: int) -> JobRecord:
    return ended(number, JobState.FAILED, "disk full")


def has(received: Message, *facts: str) -> bool:
    return all(fact in received.message for fact in facts)


def test_one_render_is_told_by_name() -> None:
    """How it ended, how long it took, and why it failed."""
    received = CompletionSummary().add([ended(1)], 0.0)
    assert not received.has_failed and has(received, "shot_001_beauty", "completed", "1:15")
    received = CompletionSummary().add([failed(2)], 0.0)
    assert received.has_failed and has(received, "shot_002_beauty", "failed", "1:15", "disk full")


def test_how_long_it_ran_is_left_out_where_it_is_not_known() -> None:
    """As of a farm's job whose node was lost."""
    lost = msgspec.structs.replace(failed(1), completed=None)
    received = CompletionSummary().add([lost], 0.0)
    assert has(received, "failed", "disk full") and "after" not in received.message


def test_a_job_that_ran_for_an_unknown_time_is_notified(qtbot: QtBot) -> None:
    """It may have run for hours; one that never started has not."""
    notifier = Notifier()
    noticed: list[str] = []
    notifier.noticed.connect(noticed.append)
    lost = msgspec.structs.replace(failed(1), completed=None)
    never = msgspec.structs.replace(failed(2), completed=None, started=None)
    notifier.observe([(lost, make_job(1, JobState.RUNNING)), (never, make_job(2, JobState.WAITING))])
    assert len(noticed) == 1 and lost.name in noticed[0]
    notifier.deleteLater()


def test_renders_that_end_at_once_are_counted() -> None:
    """Those that failed are named: they are what one turns to."""
    received = CompletionSummary().add([ended(1), failed(2), ended(3)], 0.0)
    assert received.has_failed and has(received, "3 renders", "2 completed", "1 failed", "shot_002_beauty")
    received = CompletionSummary().add([ended(1), ended(2)], 0.0)
    assert not received.has_failed and has(received, "2 renders")
    received = CompletionSummary().add([failed(1), failed(2)], 0.0)
    assert received.has_failed and has(received, "2 renders", "shot_001_beauty", "shot_002_beauty")


def test_ten_renders_one_after_another_are_all_in_the_last_message() -> None:
    """Each message may take the place of the one before, which may not have been read: it repeats that."""
    summary = CompletionSummary()
    received = [
        summary.add([failed(n) if n in (1, 4, 5, 6) else ended(n)], n * TOGETHER_S * 0.9)
        for n in range(1, 11)
    ]
    assert received[0].has_failed and has(received[0], "shot_001_beauty")
    assert received[1].has_failed and has(
        received[1], "2 renders", "1 completed", "1 failed", "shot_001_beauty"
    )
    names = "shot_001_beauty, shot_004_beauty, shot_005_beauty…"
    assert received[-1].has_failed and has(received[-1], "10 renders", "6 completed", "4 failed", names)


def test_after_a_rest_it_begins_anew() -> None:
    """An old message has been read, or its jobs are in the list."""
    summary = CompletionSummary()
    summary.add([failed(1), failed(2)], 0.0)
    received = summary.add([ended(3)], TOGETHER_S + 0.1)
    assert not received.has_failed and has(received, "shot_003_beauty", "1:15")
    assert not has(received, "shot_001_beauty") and not has(received, "renders")
