"""A list of other rows is laid out before it is drawn, some rows in a turn of Qt's loop."""

from __future__ import annotations

from typing import Any

import pytest

from kq.api import JobState
from plugins.Tabs.KatanaQueue.models.job_order import JobOrder, SortBy
from plugins.Tabs.KatanaQueue.views import rows_ahead
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle

_JOBS = 60


class _Watched:
    """Which texts were laid out while the list was being drawn, and how many otherwise."""

    def __init__(self, view: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, self.turns = 0, 0
        self.late: list[str] = []
        self._is_drawing = False
        painter, go_on = view._row_painter, rows_ahead.RowsAhead.go_on
        painter.stale_since_s = 1_790_000_000.0  # no time goes on: no text changes
        lay_out, paint = painter._laid_out, view._paint

        def laid_out(text: str, room: int, middle: bool) -> Any:
            if (text, room, middle) not in painter._texts:
                if self._is_drawing:
                    self.late.append(text)
                else:
                    self.ahead += 1
            return lay_out(text, room, middle)

        def drawing(event: Any) -> None:
            self._is_drawing = True
            try:
                paint(event)
            finally:
                self._is_drawing = False

        def going_on(*arguments: Any) -> bool:
            self.turns += 1
            return bool(go_on(*arguments))

        monkeypatch.setattr(painter, "_laid_out", laid_out)
        monkeypatch.setattr(view, "_paint", drawing)
        monkeypatch.setattr(rows_ahead.RowsAhead, "go_on", going_on)


def test_no_text_of_other_rows_is_laid_out_while_they_are_drawn(
    tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted otherwise, all rows in sight are others. There is time for one in a turn."""
    queue.change([make_job(i, state=JobState.COMPLETED) for i in range(_JOBS)])
    settle(lambda: tab.model.shown == _JOBS and tab.view.viewport().updatesEnabled())
    watched = _Watched(tab.view, monkeypatch)
    monkeypatch.setattr(rows_ahead, "BUDGET_S", 0.0)
    tab.view._row_painter._texts.clear()
    first, last = tab.view.visible_rows()

    tab.view.sortByColumn(0, tab.view.horizontalHeader().sortIndicatorOrder())
    settle(lambda: tab.view.viewport().updatesEnabled())
    tab.view.viewport().repaint()

    assert watched.ahead > last - first
    assert watched.late == []
    assert watched.turns > last - first


def test_a_job_that_moves_keeps_its_place_in_the_mapping() -> None:
    """A mapping that loses and gains keys is made anew in the end: 8 ms of 100,000 jobs."""
    order = JobOrder(SortBy(descending=False))
    jobs = [make_job(i) for i in range(4)]
    for job in jobs:
        order.insert([order.sort_by.entry(job)])
    before = list(order._entry_of)
    moved = make_job(1, submitted=jobs[3].submitted + 1)

    assert order.has_moved(moved)
    order.move(order.sort_by.entry(moved))

    assert order.ids(0, 3) == [jobs[i].id for i in (0, 2, 3, 1)]
    assert list(order._entry_of) == before
    assert not order.has_moved(moved)
    assert order.row(moved.id) == 3
