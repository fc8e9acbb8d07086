"""What somebody chooses for very many jobs is gathered in turns of Qt's loop, and then done once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from katana_queue.kq.api import JobState
from katana_queue.plugins.Tabs.KatanaQueue import chunked_work
from katana_queue.plugins.Tabs.KatanaQueue.chunked_work import ChunkedWork
from katana_queue.plugins.Tabs.KatanaQueue.models.job_order import SLICE
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMessageBox

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle

_JOBS = 2 * SLICE + 10


def counted(to: list[int], most: int) -> Iterator[None]:
    for number in range(most):
        to.append(number)
        yield


def test_what_is_little_is_done_at_once(qapp: Any) -> None:
    """Whoever asks for it can go on with what it gave."""
    order: list[Any] = []
    parent = QObject()
    turns = ChunkedWork(parent)
    turns.do(counted(order, 2), lambda: order.append("done"))
    assert order == [0, 1, "done"]
    assert not turns.is_at_work


def test_what_is_much_is_done_in_turns(qapp: Any, settle: Settle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step in each, when there is no time for two; another work waits for the end of the first."""
    monkeypatch.setattr(chunked_work, "BUDGET_S", 0.0)
    order: list[Any] = []
    parent = QObject()
    turns = ChunkedWork(parent)
    turns.do(counted(order, 3), lambda: order.append("done"))
    assert order == [0]
    assert turns.is_at_work
    turns.do(counted(order, 1), lambda: order.append("and the other"))
    settle(lambda: not turns.is_at_work)
    assert order == [0, 1, 2, "done", 0, "and the other"]


def test_a_work_that_fails_holds_up_no_other(qapp: Any) -> None:
    """Nor is it done by halves: what it was to do with all is not done with some."""

    def failing() -> Iterator[None]:
        yield
        raise ValueError("in a step")

    order: list[Any] = []
    parent = QObject()
    turns = ChunkedWork(parent)
    with pytest.raises(ValueError, match="in a step"):
        turns.do(failing(), lambda: order.append("half"))
    turns.do(counted(order, 1), lambda: order.append("done"))
    assert order == [0, "done"]
    assert not turns.is_at_work


def test_very_many_jobs_are_removed_by_one_question(
    tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window is not held up before it; a job that went meanwhile is not asked about; a second click
    is not a second question."""
    queue.change([make_job(i, JobState.COMPLETED) for i in range(_JOBS)])
    settle(lambda: tab.model.shown == _JOBS)
    tab.view.selectAll()
    settle(lambda: tab.actions_of_jobs.remove.isEnabled())
    monkeypatch.setattr(chunked_work, "BUDGET_S", 0.0)

    tab.actions_of_jobs.remove.trigger()
    assert tab.findChild(QMessageBox) is None
    first = tab.model.job_id(_JOBS - 1)
    tab.model._store.drop(first)  # as when the queue has said so, in this turn of the loop
    tab.actions_of_jobs.remove.trigger()
    settle(lambda: tab.findChild(QMessageBox) is not None)

    (box,) = tab.findChildren(QMessageBox)
    assert f"Remove {_JOBS - 1:,} jobs" in box.text()
    box.accept()
    settle(lambda: any(asked[0] == "remove_jobs" for asked in queue.asked))
    (asked,) = [asked for asked in queue.asked if asked[0] == "remove_jobs"]
    assert len(asked[1]) == _JOBS - 1
    assert first not in asked[1]
